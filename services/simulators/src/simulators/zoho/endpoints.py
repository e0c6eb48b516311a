"""The API's paths with what each needs and costs (Zoho CRM API v8, "Scopes", "API limits")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simulators.zoho import bulk, coql, metadata, reads, search, watch_api, writes
from simulators.zoho.api import Endpoint
from simulators.zoho.jsonvalue import Json

HEAVY_FROM: Final = 10


def _list_credits(params: Mapping[str, str], _body: Json) -> int:
    return 3 if "cvid" in params else 1


def _list_heavy(params: Mapping[str, str], _body: Json) -> bool:
    return "cvid" in params or "sort_by" in params


def _rows(body: Json) -> int:
    rows = body.get("data") if isinstance(body, dict) else None
    return len(rows) if isinstance(rows, list) else 1


def _write_credits(_params: Mapping[str, str], body: Json) -> int:
    return max(1, -(-_rows(body) // 10))


def _write_heavy(_params: Mapping[str, str], body: Json) -> bool:
    return _rows(body) > HEAVY_FROM


def _always(_params: Mapping[str, str], _body: Json) -> bool:
    return True


def _export(_params: Mapping[str, str], _body: Json) -> int:
    return bulk.PRICE


def _two(_params: Mapping[str, str], _body: Json) -> int:
    return 2


_READ = ("ZohoCRM.modules.{module}.READ",)
_CREATE = ("ZohoCRM.modules.{module}.CREATE",)
_UPDATE = ("ZohoCRM.modules.{module}.UPDATE",)
_DELETE = ("ZohoCRM.modules.{module}.DELETE",)
_WATCH = "/crm/v8/actions/watch"


def _write(method: str, path: str, handler: Json, name: str, scopes: tuple[str, ...]) -> Endpoint:
    return Endpoint(method, path, handler, name, scopes, _write_credits, _write_heavy, mutation=True)


def _meta(path: str, handler: Json, name: str, scope: str) -> Endpoint:
    return Endpoint("GET", f"/crm/v8/{path}", handler, name, (scope,))


def _watch(method: str, handler: Json, name: str, operation: str) -> Endpoint:
    scope = f"ZohoCRM.notifications.{operation}"
    return Endpoint(method, _WATCH, handler, f"watch.{name}", (scope,), mutation=method != "GET")


ENDPOINTS: Final = (
    Endpoint("POST", "/crm/v8/coql", coql.run_query, "coql.query", ("ZohoCRM.coql.READ",), coql.credits_of, _always),
    _watch("POST", watch_api.subscribe, "subscribe", "CREATE"),
    _watch("GET", watch_api.list_channels, "list", "READ"),
    _watch("PUT", watch_api.replace_channels, "replace", "UPDATE"),
    _watch("PATCH", watch_api.change_channels, "change", "UPDATE"),
    _watch("DELETE", watch_api.unsubscribe, "unsubscribe", "DELETE"),
    _meta("settings/fields", metadata.list_fields, "settings.fields", "ZohoCRM.settings.fields.READ"),
    _meta("settings/custom_views", metadata.list_views, "settings.views", "ZohoCRM.settings.custom_views.READ"),
    _meta("settings/custom_views/{id}", metadata.get_view, "settings.view", "ZohoCRM.settings.custom_views.READ"),
    _meta("settings/profiles", metadata.list_profiles, "settings.profiles", "ZohoCRM.settings.profiles.READ"),
    _meta("settings/profiles/{id}", metadata.get_profile, "settings.profile", "ZohoCRM.settings.profiles.READ"),
    _meta("settings/roles", metadata.list_roles, "settings.roles", "ZohoCRM.settings.roles.READ"),
    _meta("settings/modules", metadata.list_modules, "settings.modules", "ZohoCRM.settings.modules.READ"),
    _meta("settings/modules/{module}", metadata.get_module, "settings.module", "ZohoCRM.settings.modules.READ"),
    _meta("settings/layouts", metadata.list_layouts, "settings.layouts", "ZohoCRM.settings.layouts.READ"),
    _meta("users", metadata.list_users, "users.list", "ZohoCRM.users.READ"),
    _meta("users/{id}", metadata.get_user, "users.get", "ZohoCRM.users.READ"),
    _meta("org", metadata.get_org, "org.get", "ZohoCRM.org.READ"),
    Endpoint("POST", "/crm/bulk/v8/read", bulk.create_job, "bulk.create", ("ZohoCRM.bulk.READ",), _export),
    Endpoint("GET", "/crm/bulk/v8/read/{id}", bulk.show_job, "bulk.show", ("ZohoCRM.bulk.READ",)),
    Endpoint("GET", "/crm/bulk/v8/read/{id}/result", bulk.download, "bulk.download", ("ZohoCRM.bulk.READ",)),
    Endpoint("GET", "/crm/v8/{module}/deleted", reads.list_deleted, "{module}.deleted", _READ, _two),
    Endpoint(
        "GET",
        "/crm/v8/{module}/search",
        search.search,
        "{module}.search",
        (*_READ, "ZohoSearch.securesearch.READ"),
        heavy=_always,
    ),
    _write("POST", "/crm/v8/{module}/upsert", writes.upsert, "{module}.upsert", (*_CREATE, *_UPDATE)),
    Endpoint("GET", "/crm/v8/{module}", reads.list_records, "{module}.list", _READ, _list_credits, _list_heavy),
    _write("POST", "/crm/v8/{module}", writes.insert, "{module}.insert", _CREATE),
    _write("PUT", "/crm/v8/{module}", writes.update, "{module}.update", _UPDATE),
    Endpoint("DELETE", "/crm/v8/{module}", writes.delete, "{module}.delete", _DELETE, mutation=True),
    Endpoint("GET", "/crm/v8/{module}/{id}", reads.get_record, "{module}.get", _READ),
    _write("PUT", "/crm/v8/{module}/{id}", writes.update, "{module}.update", _UPDATE),
    Endpoint("DELETE", "/crm/v8/{module}/{id}", writes.delete, "{module}.delete", _DELETE, mutation=True),
)


def operation_of(endpoint: Endpoint, module: str, params: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The name under which a call is logged; lists are told apart by what narrows them."""
    name = endpoint.name.replace("{module}", module.lower())
    if not name.endswith(".list") or endpoint.path != "/crm/v8/{module}":
        return name
    for parameter, kind in (("ids", ".ids"), ("cvid", ".view")):
        if parameter in params:
            return name + kind
    return f"{name}.changes" if "if-modified-since" in headers else name
