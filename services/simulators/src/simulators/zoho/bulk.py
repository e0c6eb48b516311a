"""Bulk read: an export that runs on its own and is fetched as a ZIP with one CSV (Zoho CRM API v8, "Bulk read")."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import deque
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.api import Answer, ApiCall, module_named
from simulators.zoho.bulk_jobs import Job
from simulators.zoho.coql import Table
from simulators.zoho.criteria import Compiler, CriteriaError
from simulators.zoho.errors import ZohoError, bad_body, no_permission, too_many
from simulators.zoho.organisation import permission
from simulators.zoho.reads import find_view
from simulators.zoho.records import Record

PER_JOB: Final = 200_000
DOWNLOADS_A_MINUTE: Final = 10
PRICE: Final = 50
_MINUTE_S: Final = 60
_LAST_PAGE: Final = 500


def create_job(call: ApiCall) -> Answer:
    """`POST /crm/bulk/v8/read`: an export of a module, narrowed by view or criteria, by pages of 200,000."""
    query = call.body.get("query") if isinstance(call.body, dict) else None
    if not isinstance(query, dict) or not isinstance(query.get("module"), dict):
        raise bad_body(expected_data_type="jsonobject", api_name="query", json_path="$.query")
    module = module_named(str(query["module"].get("api_name")))
    call.require_scope(f"ZohoCRM.modules.{module}.READ")
    if not call.org.may(call.user, "View", module):
        raise no_permission(permission("View", module))
    page = query.get("page", 1)
    if not isinstance(page, int) or not 1 <= page <= _LAST_PAGE:
        raise bad_body(expected_data_type="integer", api_name="page", json_path="$.query.page")
    rows = _rows(call, module, query)
    chosen = rows[(page - 1) * PER_JOB : page * PER_JOB]
    content = _csv(call, module, query, chosen)
    more = len(rows) > page * PER_JOB
    job = Job(call.org.new_id(), call.user.id, query, call.now, content, len(chosen), page, more)
    call.world.bulk.jobs[job.id] = job
    details = {"id": job.id, "operation": "read", "state": "ADDED", "created_by": call.org.user_ref(call.user.id)}
    details["created_time"] = times.show(job.created, call.user.time_zone)
    item = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.", "details": details}
    return Answer(201, {"data": [item], "info": {}})


def show_job(call: ApiCall) -> Answer:
    """`GET /crm/bulk/v8/read/{id}`: how far the export is; the result's address once it is complete."""
    job = _job(call)
    state = state_of(job, call)
    shown: dict[str, Any] = {
        "id": job.id,
        "operation": "read",
        "state": state,
        "query": job.query,
        "created_by": call.org.user_ref(job.user_id),
        "created_time": times.show(job.created, call.user.time_zone),
        "file_type": "csv",
    }
    if state == "COMPLETED":
        shown["result"] = {
            "page": job.page,
            "per_page": PER_JOB,
            "count": job.count,
            "download_url": f"/crm/bulk/v8/read/{job.id}/result",
            "more_records": job.more,
            "next_page_token": None,
        }
    return Answer(200, {"data": [shown], "info": {}})


def download(call: ApiCall) -> Answer:
    """`GET /crm/bulk/v8/read/{id}/result`: the ZIP, at most ten times a minute."""
    job = _job(call)
    if state_of(job, call) != "COMPLETED":
        raise ZohoError(400, "INVALID_DATA", "the job is not completed", {"id": job.id})
    recent = call.world.bulk.downloads.setdefault(call.org.zgid, deque())
    while recent and call.now - recent[0] >= _MINUTE_S:
        recent.popleft()
    if len(recent) >= DOWNLOADS_A_MINUTE and call.settings.quotas_enabled:
        raise too_many("You have reached the maximum number of downloads in a minute. Please try again later.")
    recent.append(call.now)
    return Answer(200, job.content, {"Content-Type": "application/zip"})


def state_of(job: Job, call: ApiCall) -> str:
    """ADDED, QUEUED, IN PROGRESS, COMPLETED: a third of the set duration each."""
    duration = call.settings.bulk_duration_s
    passed = call.now - job.created
    if passed >= duration:
        return "COMPLETED"
    return ("ADDED", "QUEUED", "IN PROGRESS")[passed * 3 // duration]


def _job(call: ApiCall) -> Job:
    job = call.world.bulk.jobs.get(call.path["id"])
    if job is None or job.user_id != call.user.id:
        raise ZohoError(404, "RESOURCE_NOT_FOUND", "The requested resource doesn't exist.")
    return job


def _rows(call: ApiCall, module: str, query: dict[str, Any]) -> list[Record]:
    view_id = query.get("cvid")
    view = None if view_id is None else find_view(call, str(view_id), module)
    rows = call.org.rows(module, call.user, call.now, view)
    try:
        wanted = Compiler(call.org.fields[module], call.user.id).predicate(query.get("criteria"))
    except (CriteriaError, KeyError, TypeError, ValueError) as exc:
        raise bad_body(api_name="criteria", json_path="$.query.criteria") from exc
    return [one for one in rows if wanted(one)]


def _csv(call: ApiCall, module: str, query: dict[str, Any], rows: list[Record]) -> bytes:
    names = [str(name) for name in query.get("fields") or call.org.fields[module].by_name if name != "id"]
    table = Table(call, module)
    columns = [table.shower(name) for name in names]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Id", *names])
    for record in rows:
        writer.writerow([record.id, *(_cell(show(record)) for show in columns)])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}.csv", text.getvalue())
    return packed.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return value["id"]
    return ";".join(value) if isinstance(value, list) else value
