"""Two refusals are 500 because Bacalhau's clients know them so; schemathesis takes them for the 409 they are."""

import json

import schemathesis

KNOWN = ("no changes detected for new job spec", "cannot stop job in state", "cannot rerun job in state")


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code != 500:
        return
    error = json.loads(response.content)
    if error["Code"] == "" and error["Message"].startswith(KNOWN):
        response.status_code = 409


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the requests are about a job that exists."""
    if path_parameters and "id" in path_parameters and len(str(path_parameters["id"])) % 2:
        path_parameters["id"] = "known"
    return path_parameters
