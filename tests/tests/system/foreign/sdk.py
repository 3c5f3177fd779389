"""Drives a control plane through bacalhau-sdk and bacalhau_apiclient as their users do; fails on the first surprise.

Arguments: a WebAssembly module that prints "hello from python", and one that never ends. The address comes from
BACALHAU_API_HOST and BACALHAU_API_PORT, as for every user of the SDK.
"""

import base64
import json
import sys
import time

from bacalhau_apiclient.api import ops_api, orchestrator_api
from bacalhau_apiclient.models.api_put_job_request import ApiPutJobRequest
from bacalhau_apiclient.models.job import Job
from bacalhau_apiclient.models.task import Task
from bacalhau_apiclient.models.spec_config import SpecConfig
from bacalhau_sdk.config import init_config
from bacalhau_sdk.jobs import Jobs


def job(name, kind, module):
    with open(module, "rb") as file:
        url = "data:application/wasm;base64," + base64.b64encode(file.read()).decode()
    entry = {"Source": {"Type": "inline", "Params": {"URL": url}}}
    task = Task(
        name="main",
        engine=SpecConfig(type="wasm", params={"EntryModule": entry}),
        publisher=SpecConfig(type="local") if kind == "batch" else SpecConfig(),
    )
    return Job(name=name, type=kind, count=1, namespace="default", tasks=[task], labels={"from": "python"})


def state(jobs, job_id):
    return jobs.get(job_id=job_id).job.state.state_type


def wait(jobs, job_id, wanted):
    """As users of the SDK do: it has nothing else to wait with."""
    for _ in range(600):
        found = state(jobs, job_id)
        if found in wanted:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{job_id} is {found}, not one of {wanted}")


def main(hello, endless):
    jobs = Jobs()

    put = jobs.put(ApiPutJobRequest(job=job("from-python", "batch", hello)))
    assert put.job_id.startswith("j-") and put.evaluation_id and not put.warnings, put
    assert wait(jobs, put.job_id, ["Completed", "Failed", "Stopped"]) == "Completed"

    listed = jobs.list(limit=5, order_by="created_at", reverse=True)
    assert [item.id for item in listed.items] == [put.job_id], listed
    described = jobs.get(job_id=put.job_id, include="executions,history")
    assert described.job.name == "from-python" and described.job.labels == {"from": "python"}, described
    assert len(described.executions.items) == 1 and described.history.items, described

    execution = jobs.executions(job_id=put.job_id).items[0]
    assert execution.run_output.stdout == "hello from python", execution
    assert execution.compute_state.state_type == 9 and execution.run_output.exit_code == 0, execution
    assert jobs.history(job_id=put.job_id, event_type="all").items[0].event.message == "Job submitted"
    assert jobs.history(job_id=put.job_id).items, "events of executions"
    results = jobs.results(job_id=put.job_id).items
    assert len(results) == 1 and results[0].type == "urlDownload", results
    assert results[0].params["URL"].endswith(".tar.gz"), results

    long = jobs.put(ApiPutJobRequest(job=job("endless", "service", endless)))
    wait(jobs, long.job_id, ["Running"])
    assert jobs.stop(job_id=long.job_id, reason="enough").evaluation_id
    assert wait(jobs, long.job_id, ["Stopped"]) == "Stopped"

    # Its models look for `nodes` where every server says `Nodes`, so the answer is read as it came.
    client = orchestrator_api.ApiClient(init_config())
    nodes = orchestrator_api.OrchestratorApi(client).orchestratorlist_nodes(_preload_content=False)
    names = [node["Info"]["NodeID"] for node in json.loads(nodes.data)["Nodes"]]
    assert names == ["edge-1"], names
    one = orchestrator_api.OrchestratorApi(client).orchestratorget_node("edge", _preload_content=False)
    assert json.loads(one.data)["Node"]["Connection"] == "CONNECTED"

    ops = ops_api.OpsApi(client)
    assert "OK" in ops.agentalive()
    assert ops.agentversion().git_version.startswith("v1.9"), "what clients compare with"
    print("everything worked")


main(*sys.argv[1:])
