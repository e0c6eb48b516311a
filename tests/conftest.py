"""Fixtures that every suite may ask for, and the rule that keeps process tests apart."""

import pytest

pytest_plugins = ["tests.support.postgres", "tests.support.rabbitmq"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start processes run one after another: they measure time, and there are two cores."""
    for item in items:
        if item.get_closest_marker("process"):
            item.add_marker(pytest.mark.xdist_group("process"))
