"""Errors as `application/problem+json` (RFC 9457): a stable `code`, a sentence in the caller's language, fields.

The list of all problems is `PROBLEMS`; the OpenAPI document and `docs/problems.md` are made from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from config_api.web.fields import FieldError, field_errors
from config_api.web.language import Language, language_of
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    NotActiveError,
    PermissionMissingError,
    ProviderUnavailableError,
    RateLimitedError,
    TicketEndedError,
    UnknownRowError,
    UserInactiveError,
)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: what a client switches on, and what a person reads."""

    code: str
    status: int
    texts: Mapping[Language, str]


def _problem(code: str, status: int, english: str, french: str) -> Problem:
    return Problem(code, status, {Language.ENGLISH: english, Language.FRENCH: french})


_ALL = (
    _problem("invalid_request", 422, "Some values are not accepted.", "Certaines valeurs ne sont pas acceptées."),
    _problem("malformed_body", 400, "The body is not valid JSON.", "Le corps n’est pas du JSON valide."),
    _problem(
        "unsupported_media_type",
        415,
        "Send the body as application/json.",
        "Envoyez le corps au format application/json.",
    ),
    _problem("body_too_large", 413, "The body is too large.", "Le corps est trop volumineux."),
    _problem("not_authenticated", 401, "Please sign in.", "Veuillez vous connecter."),
    _problem(
        "user_inactive",
        401,
        "Your session has ended: your user is not active in the CRM. Ask its administrator.",
        "Votre session a pris fin\u00a0: votre utilisateur n’est pas actif dans le CRM. "
        "Adressez-vous à son administrateur.",
    ),
    _problem("not_allowed", 403, "You may not do this.", "Vous n’êtes pas autorisé à faire cela."),
    _problem("not_found", 404, "There is no such thing here.", "Cet élément n’existe pas ici."),
    _problem(
        "method_not_allowed",
        405,
        "This address does not support the method.",
        "Cette adresse n’accepte pas la méthode.",
    ),
    _problem(
        "too_many",
        409,
        "There are as many of these as there may be. Delete one first.",
        "Il y en a autant qu’il peut y en avoir. Supprimez-en d’abord.",
    ),
    _problem(
        "same_scope_exists",
        409,
        "You already have a configuration with this view and this group.",
        "Vous avez déjà une configuration avec cette vue et ce groupe.",
    ),
    _problem(
        "other_account",
        409,
        "This is another account than the one connected before.",
        "Ce compte n’est pas celui qui était connecté auparavant.",
    ),
    _problem(
        "not_connected",
        409,
        "Connect both accounts first.",
        "Connectez d’abord les deux comptes.",
    ),
    _problem(
        "needs_reconnect",
        409,
        "The access was withdrawn or has expired: connect the account again.",
        "L’accès a été retiré ou a expiré\u00a0: reconnectez le compte.",
    ),
    _problem(
        "permission_missing",
        403,
        "Your profile in the CRM does not allow this.",
        "Votre profil dans le CRM ne le permet pas.",
    ),
    _problem(
        "not_active",
        409,
        "The configuration is not active.",
        "La configuration n’est pas active.",
    ),
    _problem(
        "run_not_open",
        409,
        "The run has ended already.",
        "La synchronisation est déjà terminée.",
    ),
    _problem(
        "nothing_to_approve",
        409,
        "Nothing awaits an answer: this was answered already, or never asked.",
        "Rien n’attend de réponse\u00a0: elle a déjà été donnée, ou la question ne s’est jamais posée.",
    ),
    _problem(
        "action_not_possible",
        409,
        "This cannot be asked of the contact as it stands.",
        "Cela ne peut pas être demandé pour ce contact dans son état actuel.",
    ),
    _problem(
        "state_invalid",
        400,
        "This sign-in has expired or was used already. Please start again.",
        "Cette connexion a expiré ou a déjà été utilisée. Veuillez recommencer.",
    ),
    _problem("consent_refused", 400, "Access was not granted.", "L’accès n’a pas été accordé."),
    _problem(
        "consent_failed",
        502,
        "The account could not be connected. Please start again.",
        "Le compte n’a pas pu être connecté. Veuillez recommencer.",
    ),
    _problem(
        "missing_scope",
        400,
        "Access to the contacts was not granted.",
        "L’accès aux contacts n’a pas été accordé.",
    ),
    _problem(
        "crm_user_refused",
        403,
        "The CRM does not let this user in. Ask its administrator whether the user is active.",
        "Le CRM n’accepte pas cet utilisateur. Demandez à son administrateur s’il est actif.",
    ),
    _problem(
        "edition_free",
        403,
        "The Free edition of the CRM has no synchronisation of contacts.",
        "L’édition gratuite du CRM ne comporte pas la synchronisation des contacts.",
    ),
    _problem(
        "organisation_not_allowed",
        403,
        "Users of this CRM organisation may not sign in here.",
        "Les utilisateurs de cette organisation du CRM ne peuvent pas se connecter ici.",
    ),
    _problem(
        "organisation_elsewhere",
        409,
        "This CRM organisation is used here under another sign-in. Sign in the way your company does.",
        "Cette organisation du CRM est utilisée ici avec un autre mode de connexion. "
        "Connectez-vous comme le fait votre entreprise.",
    ),
    _problem(
        "stale_version",
        412,
        "Somebody changed the configuration meanwhile. Read it again first.",
        "La configuration a été modifiée entre-temps. Relisez-la d’abord.",
    ),
    _problem(
        "version_required",
        428,
        "Send If-Match with the version that you read.",
        "Envoyez If-Match avec la version lue.",
    ),
    _problem(
        "idempotency_key_reused",
        422,
        "This Idempotency-Key was used for another request.",
        "Cette Idempotency-Key a servi pour une autre requête.",
    ),
    _problem(
        "request_under_way",
        409,
        "The same request is being answered right now.",
        "La même requête est en cours de traitement.",
    ),
    _problem("rate_limited", 429, "Too many requests. Please wait.", "Trop de requêtes. Veuillez patienter."),
    _problem(
        "provider_unavailable",
        503,
        "The other service does not answer now. Please try again later.",
        "L’autre service ne répond pas actuellement. Réessayez plus tard.",
    ),
    _problem(
        "unavailable",
        503,
        "Contact Sync does not answer just now. Please try again shortly.",
        "Contact Sync ne répond pas pour l’instant. Réessayez dans un moment.",
    ),
    _problem("internal_error", 500, "Something went wrong on our side.", "Un problème est survenu de notre côté."),
)
PROBLEMS: Mapping[str, Problem] = {problem.code: problem for problem in _ALL}


class BodyTooLargeError(Exception):
    """More bytes came than a request may have."""


class ProblemError(Exception):
    """Raised anywhere in a request; answered in one place."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.problem = PROBLEMS[code]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


_TOGETHER: Mapping[str, Sequence[str]] = {
    "not_authenticated": ("user_inactive",),
    "needs_reconnect": ("crm_user_refused",),
    "internal_error": ("unavailable",),
    "provider_unavailable": ("unavailable",),
}
"""Whose session could be missing may find it ended; whose grant could be lost may have been switched off; a failure may
be that of the database, which has a status in common with the vendors'."""


class FieldErrorBody(BaseModel):
    """One value that is not accepted."""

    field: str = Field(examples=["direction"])
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["A value is needed."])

    @classmethod
    def of(cls, error: FieldError, language: Language) -> Self:
        """The error as it is told in a language."""
        return cls(field=error.field, code=error.code, message=error.message(language))


class ProblemBody(BaseModel):
    """A problem as the API sends it (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:contact-sync:problem:not_found"])
    code: str = Field(examples=["not_found"])
    title: str = Field(examples=["There is no such thing here."])
    status: int = Field(examples=[404])
    detail: str = ""
    request_id: str = ""
    errors: list[FieldErrorBody] = []


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems, for the OpenAPI document."""
    documented: dict[int | str, dict[str, Any]] = {}
    for code in itertools.chain.from_iterable((code, *_TOGETHER.get(code, ())) for code in codes):
        problem = PROBLEMS[code]
        entry = documented.setdefault(
            problem.status,
            {"model": ProblemBody, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        entry["description"] = f"{entry['description']} `{code}`".strip()
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": _example(problem)}
    return documented


def _example(problem: Problem) -> dict[str, object]:
    """The problem as it is sent."""
    error = FieldError("direction", "missing")
    return {
        "type": f"urn:contact-sync:problem:{problem.code}",
        "code": problem.code,
        "title": problem.texts[Language.ENGLISH],
        "status": problem.status,
        "request_id": "5d1f0c9e8b7a4f6d9c3b2a1f0e9d8c7b",
        **({"errors": _told([error], Language.ENGLISH)} if problem.code == "invalid_request" else {}),
    }


def answer(request: Request, error: ProblemError) -> JSONResponse:
    """The response that says it."""
    language = language_of(request)
    body = {
        "type": f"urn:contact-sync:problem:{error.problem.code}",
        "code": error.problem.code,
        "title": error.problem.texts[language],
        "status": error.problem.status,
        **({"detail": error.detail} if error.detail else {}),
        **({"request_id": request_id} if (request_id := getattr(request.state, "request_id", "")) else {}),
        **({"errors": _told(error.errors, language)} if error.errors else {}),
        **error.extra,
    }
    headers = {"WWW-Authenticate": "Bearer"} if error.problem.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(body, status_code=error.problem.status, headers=headers | error.headers, media_type=MEDIA_TYPE)


def _told(errors: Sequence[FieldError], language: Language) -> list[dict[str, str]]:
    return [FieldErrorBody.of(error, language).model_dump() for error in errors]


ANSWERED: tuple[type[Exception], ...] = (
    ProblemError,
    RequestValidationError,
    HTTPException,
    BodyTooLargeError,
    ContactSyncError,
)
"""What `problem_of` knows how to say."""


def problem_of(error: Exception) -> ProblemError:
    """The problem that tells a caller what went wrong; raises what it cannot explain: the process's edge does."""
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)
        case BodyTooLargeError():
            return ProblemError("body_too_large")
        case ContactSyncError():
            return _from_domain(error)
        case _:
            raise error


_BY_KIND: tuple[tuple[type[ContactSyncError], str], ...] = (
    (UnknownRowError, "not_found"),
    (NotActiveError, "not_active"),
    (TicketEndedError, "user_inactive"),
    (RateLimitedError, "provider_unavailable"),
    (ProviderUnavailableError, "provider_unavailable"),
    (PermissionMissingError, "permission_missing"),
    (UserInactiveError, "crm_user_refused"),
    (AuthorizationLostError, "needs_reconnect"),
)


def _from_domain(error: ContactSyncError) -> ProblemError:
    """What an error of the product means to a caller; the first kind that fits."""
    for kind, code in _BY_KIND:
        if isinstance(error, kind):
            return ProblemError(code)
    raise error


def _from_validation(error: RequestValidationError) -> ProblemError:
    """What FastAPI found wrong with a request, every error by field; values are not repeated."""
    items = error.errors()
    if any(item["type"] == "json_invalid" for item in items):
        return ProblemError("malformed_body")
    return ProblemError("invalid_request", errors=field_errors(items, skip=1))


_BY_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    401: "not_authenticated",
    400: "malformed_body",
}


def _from_http(error: HTTPException) -> ProblemError:
    """What the framework refuses by itself: an unknown address, a wrong method, a body that it could not read."""
    if isinstance(error.__cause__, BodyTooLargeError):
        return ProblemError("body_too_large")
    if isinstance(error.__cause__, ProblemError):  # raised while the body was read
        return error.__cause__
    return ProblemError(_BY_STATUS.get(error.status_code, "internal_error"), headers=error.headers)
