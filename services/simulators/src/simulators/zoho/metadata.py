"""What an organisation says about itself: fields, views, users, profiles, roles, modules, layouts, org.

Source: Zoho CRM API v8, "Metadata APIs", "Users", "Organization", "Profiles", "Roles".
"""

from __future__ import annotations

from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.api import PAGE, Answer, ApiCall, module_named
from simulators.zoho.errors import ZohoError, missing_param, no_permission
from simulators.zoho.fields import MODULES, Field
from simulators.zoho.organisation import GOOGLE_SYNC, PERMISSIONS, PROFILE_READ, CustomView, Profile, User

_LABELS: Final = {GOOGLE_SYNC: "Sync with Google Contact", "Crm_Implied_Api_Access": "Zoho CRM API Access"}


def list_fields(call: ApiCall) -> Answer:
    """`GET /settings/fields?module=`: also fields that are hidden from the profile."""
    module = _asked_module(call)
    fields = call.org.fields[module].by_name.values()
    return Answer(200, {"fields": [_field(call, one) for one in fields]})


def _field(call: ApiCall, one: Field) -> dict[str, Any]:
    writable = not one.read_only
    choices = [
        {
            "display_value": text,
            "sequence_number": number,
            "reference_value": text,
            "actual_value": text,
            "id": f"{one.id[:-3]}{number:03d}",
            "type": "used",
        }
        for number, text in enumerate(one.choices, start=1)
    ]
    target = None if one.lookup is None else {"api_name": one.lookup, "id": call.org.module_ids[one.lookup]}
    shown: dict[str, Any] = {
        "id": one.id,
        "api_name": one.api_name,
        "field_label": one.label,
        "display_label": one.label,
        "data_type": one.data_type,
        "json_type": one.json_type,
        "length": one.length,
        "decimal_place": 2 if one.json_type == "double" else None,
        "system_mandatory": one.mandatory and not one.custom,
        "read_only": one.read_only,
        "field_read_only": one.read_only,
        "custom_field": one.custom,
        "visible": one.visible,
        "view_type": {"view": one.visible, "edit": writable, "quick_create": False, "create": writable},
        "unique": {"casesensitive": "false"} if one.unique else {},
        "lookup": {} if target is None else {"module": target, "display_label": one.label, "id": one.id},
        "pick_list_values": choices,
        "operation_type": {
            "web_update": writable,
            "api_create": writable,
            "web_create": writable,
            "api_update": writable,
        },
        "profiles": None,
        "virtual_field": False,
        "searchable": True,
        "filterable": True,
        "sortable": True,
        "mass_update": writable,
        "private": None,
        "crypt": None,
        "created_source": "user" if one.custom else "default",
        "type": "used",
        "businesscard_supported": False,
        "display_field": one.api_name in {"Full_Name", "Account_Name"},
    }
    if one.area is not None:
        shown["textarea"] = {"type": one.area}
    return shown


def list_views(call: ApiCall) -> Answer:
    """`GET /settings/custom_views?module=`: those that the user may use."""
    module = _asked_module(call)
    views = [one for one in call.org.views.values() if one.module == module and one.visible_to(call.user)]
    per_page, page = call.number("per_page", PAGE, most=PAGE), call.number("page", 1)
    shown = views[(page - 1) * per_page : page * per_page]
    if not shown:
        return Answer(204)
    default = next((one.id for one in views if one.default), None)
    more = page * per_page < len(views)
    info: dict[str, Any] = {
        "per_page": per_page,
        "default": default,
        "count": len(shown),
        "page": page,
        "more_records": more,
        "translation": {},
    }
    return Answer(200, {"custom_views": [_view(call, one) for one in shown], "info": info})


def get_view(call: ApiCall) -> Answer:
    """`GET /settings/custom_views/{id}?module=`: with criteria, fields and order; 204 for one that is gone."""
    module = _asked_module(call)
    view = call.org.views.get(call.path["id"])
    if view is None or view.module != module or not view.visible_to(call.user):
        return Answer(204)
    fields = call.org.fields[module]
    columns = [{"api_name": name, "id": one.id} for name in view.fields if (one := fields.get(name)) is not None]
    sort = fields.get(view.sort_by) if view.sort_by else None
    details = {
        "criteria": _criteria(call, module, view.criteria),
        "fields": columns,
        "sort_by": None if sort is None else {"api_name": sort.api_name, "id": sort.id},
        "sort_order": view.sort_order if sort is not None else None,
        "shared_to": [_shared_with(call, one) for one in view.shared_to] or None,
    }
    return Answer(200, {"custom_views": [_view(call, view) | details]})


def _view(call: ApiCall, view: CustomView) -> dict[str, Any]:
    if view.access_type == "public":
        category = "public_views"
    else:
        category = "created_by_me" if view.owner == call.user.id else "shared_with_me"
    owner = None if view.owner is None else call.org.user_ref(view.owner)
    zone = call.user.time_zone
    return {
        "id": view.id,
        "name": view.name,
        "display_value": view.name,
        "system_name": view.system_name,
        "system_defined": view.system_name is not None,
        "default": view.default,
        "category": category,
        "access_type": view.access_type,
        "created_by": owner,
        "modified_by": owner,
        "created_time": None if owner is None else times.show(view.created, zone),
        "modified_time": None if owner is None else times.show(view.modified, zone),
        "last_accessed_time": None,
        "locked": False,
        "favorite": None,
    }


def _criteria(call: ApiCall, module: str, criteria: dict[str, Any] | None) -> dict[str, Any] | None:
    if not criteria:
        return None
    if "group" in criteria:
        parts = [_criteria(call, module, part) for part in criteria["group"]]
        return {"group_operator": str(criteria.get("group_operator", "and")).upper(), "group": parts}
    name = criteria["field"]["api_name"]
    one = call.org.fields[module].get(name)
    field_ref = {"api_name": name, "id": one.id if one else None}
    return {"comparator": criteria["comparator"], "field": field_ref, "type": "value", "value": criteria.get("value")}


def _shared_with(call: ApiCall, user_id: str) -> dict[str, Any]:
    return call.org.user_ref(user_id) | {"type": "users", "subordinates": False}


def list_users(call: ApiCall) -> Answer:
    """`GET /users?type=`: `CurrentUser`, `AllUsers`, `ActiveUsers`, `DeactiveUsers` and `AdminUsers`."""
    kind = call.params.get("type", "AllUsers")
    everyone = list(call.org.users.values())
    chosen = {
        "CurrentUser": [call.user],
        "AllUsers": everyone,
        "ActiveUsers": [one for one in everyone if one.active],
        "DeactiveUsers": [one for one in everyone if not one.active],
        "AdminUsers": [one for one in everyone if call.org.profile_of(one).administrator],
    }.get(kind)
    if chosen is None:
        raise ZohoError(400, "INVALID_DATA", "invalid data", {"param_name": "type"})
    per_page, page = call.number("per_page", PAGE, most=PAGE), call.number("page", 1)
    shown = chosen[(page - 1) * per_page : page * per_page]
    if not shown:
        return Answer(204)
    more = page * per_page < len(chosen)
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": more}
    return Answer(200, {"users": [_user(call, one) for one in shown], "info": info})


def get_user(call: ApiCall) -> Answer:
    """`GET /users/{id}`; 204 for nobody."""
    user = call.org.users.get(call.path["id"])
    return Answer(204) if user is None else Answer(200, {"users": [_user(call, user)]})


def _user(call: ApiCall, user: User) -> dict[str, Any]:
    profile, role = call.org.profile_of(user), call.org.roles[user.role_id]
    return {
        "id": user.id,
        "full_name": user.full_name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "role": {"name": role.name, "id": role.id},
        "profile": {"name": profile.name, "id": profile.id},
        "time_zone": user.time_zone,
        "offset": times.offset_ms(call.world.bench.clock.now(), user.time_zone),
        "locale": "en_US",
        "language": "en_US",
        "country_locale": "en_US",
        "date_format": "MM/dd/yyyy",
        "time_format": "hh:mm a",
        "zuid": user.zuid,
        "status": "active" if user.active else "inactive",
        "confirm": True,
        "personal_account": False,
        "microsoft": False,
        "default_tab_group": "0",
        "isonline": False,
        "type__s": "Regular User",
    }


def list_profiles(call: ApiCall) -> Answer:
    """`GET /settings/profiles`: without permissions, which the single call alone shows."""
    _require_profile_right(call)
    return Answer(200, {"profiles": [_profile(one) for one in call.org.profiles.values()]})


def get_profile(call: ApiCall) -> Answer:
    """`GET /settings/profiles/{id}` with every permission; 204 for one that does not exist."""
    _require_profile_right(call)
    profile = call.org.profiles.get(call.path["id"])
    if profile is None:
        return Answer(204)
    shown = _profile(profile)
    shown["permissions_details"] = [_permission(profile, name) for name in PERMISSIONS]
    shown["sections"] = _sections()
    return Answer(200, {"profiles": [shown]})


def _require_profile_right(call: ApiCall) -> None:
    if PROFILE_READ not in call.org.profile_of(call.user).enabled:
        raise no_permission(PROFILE_READ)


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "name": profile.name,
        "display_label": profile.name,
        "type": "normal_profile",
        "custom": not profile.administrator and profile.name != "Standard",
        "description": None,
        "created_time": None,
        "modified_time": None,
        "created_by": None,
        "modified_by": None,
    }


def _permission(profile: Profile, name: str) -> dict[str, Any]:
    module = next((one for one in MODULES if name.endswith(f"_{one}")), None)
    number = PERMISSIONS.index(name) + 1
    return {
        "id": f"{profile.id[:-4]}9{number:03d}",
        "name": name,
        "display_label": _LABELS.get(name, name.removeprefix("Crm_Implied_").replace("_", " ")),
        "module": module,
        "enabled": name in profile.enabled,
        "customizable": not profile.administrator,
        "parent_permissions": None,
    }


def _sections() -> list[dict[str, Any]]:
    modules = [
        {
            "name": module,
            "display_label": module,
            "module": module,
            "permissions": [one for one in PERMISSIONS if one.endswith(f"_{module}")],
        }
        for module in MODULES
    ]
    google = {"name": "gcontact", "display_label": "Google Contacts", "module": None, "permissions": [GOOGLE_SYNC]}
    api = {
        "name": "crm_api",
        "display_label": "Zoho CRM API",
        "module": None,
        "permissions": ["Crm_Implied_Api_Access"],
    }
    return [
        {"name": "module", "categories": modules},
        {"name": "google_app", "categories": [google]},
        {"name": "crm_api", "categories": [api]},
    ]


def list_roles(call: ApiCall) -> Answer:
    """`GET /settings/roles`."""
    roles = [
        {
            "id": one.id,
            "name": one.name,
            "display_label": one.name,
            "reporting_to": None,
            "share_with_peers": True,
            "forecast_manager": None,
            "description": None,
            "created_time__s": None,
            "modified_time__s": None,
        }
        for one in call.org.roles.values()
    ]
    return Answer(200, {"roles": roles})


def list_modules(call: ApiCall) -> Answer:
    """`GET /settings/modules`."""
    return Answer(200, {"modules": [_module(call, name) for name in MODULES]})


def get_module(call: ApiCall) -> Answer:
    """`GET /settings/modules/{api_name}`."""
    return Answer(200, {"modules": [_module(call, call.module)]})


def _module(call: ApiCall, name: str) -> dict[str, Any]:
    user, org = call.user, call.org
    return {
        "id": org.module_ids[name],
        "api_name": name,
        "module_name": name,
        "singular_label": name.removesuffix("s"),
        "plural_label": name,
        "generated_type": "default",
        "api_supported": True,
        "visibility": 1,
        "visible": True,
        "creatable": org.may(user, "Create", name),
        "editable": org.may(user, "Edit", name),
        "deletable": org.may(user, "Delete", name),
        "viewable": org.may(user, "View", name),
        "profiles": [{"name": one.name, "id": one.id} for one in org.profiles.values()],
    }


def list_layouts(call: ApiCall) -> Answer:
    """`GET /settings/layouts?module=`: the one standard layout with its mandatory flags."""
    module = _asked_module(call)
    fields = [
        {"id": one.id, "api_name": one.api_name, "required": one.mandatory, "data_type": one.data_type}
        for one in call.org.fields[module].by_name.values()
    ]
    section = {
        "name": f"{module} Information",
        "display_label": f"{module} Information",
        "sequence_number": 1,
        "fields": fields,
    }
    layout = {
        "id": f"{call.org.module_ids[module][:-2]}99",
        "name": "Standard",
        "display_label": "Standard",
        "visible": True,
        "status": 1,
        "sections": [section],
    }
    return Answer(200, {"layouts": [layout]})


def get_org(call: ApiCall) -> Answer:
    """`GET /org`: zone, kind and licence."""
    org, held = call.org, call.org.license
    shown = {
        "id": org.id,
        "company_name": org.name,
        "zgid": org.zgid,
        "domain_name": f"org{org.zgid}",
        "primary_email": next((one.email for one in org.users.values()), None),
        "time_zone": org.time_zone,
        "type": org.kind,
        "gapps_enabled": False,
        "hipaa_compliance_enabled": False,
        "mc_status": False,
        "country_code": org.country,
        "license_details": {
            "paid": held.paid_type is not None,
            "paid_type": held.paid_type,
            "paid_expiry": None,
            "trial_type": held.trial_type,
            "trial_expiry": held.trial_expiry,
            "trial_action": None,
            "users_license_purchased": held.users,
            "portal_users_license_purchased": 0,
        },
    }
    return Answer(200, {"org": [shown]})


def _asked_module(call: ApiCall) -> str:
    name = call.params.get("module")
    if not name:
        raise missing_param("module")
    return module_named(name)
