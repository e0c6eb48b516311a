"""The addresses of this run's servers, which `tests.support.run` hands down in the environment."""

import os

import pytest

DATABASE_URL = "CONTACTSYNC_TEST_DATABASE_URL"
DATABASE_ADMIN_URL = "CONTACTSYNC_TEST_DATABASE_ADMIN_URL"
AMQP_URL = "CONTACTSYNC_TEST_AMQP_URL"
AMQP_MANAGEMENT_URL = "CONTACTSYNC_TEST_AMQP_MANAGEMENT_URL"


def address(variable: str) -> str:
    """The address in that variable; the test fails without it, since a test that needs a server is never skipped."""
    value = os.environ.get(variable)
    if value is None:
        pytest.fail(f"{variable} is not set: `make test ARGS='path -n 0'` starts the servers", pytrace=False)
    return value
