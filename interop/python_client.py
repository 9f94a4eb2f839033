"""Drives the official Python SDK over standard input and output, with one JSON object per line in each direction."""

import json
import os
import sys

from flipt_client import FliptClient
from flipt_client.errors import FliptError
from flipt_client.models import ClientOptions, EvaluationRequest

# Keeps output of the native engine out of the answers.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

clients = {}


def attempt(evaluate):
    try:
        return {"ok": evaluate()}
    except FliptError as error:
        return {"error": str(error)}


def plain(model):
    return model.model_dump(mode="json", exclude_none=True)


def evaluate(client, kind, request):
    asked = (request["flagKey"], request["entityId"], request.get("context") or {})
    return plain((client.evaluate_variant if kind == "variant" else client.evaluate_boolean)(*asked))


def batch(client, requests):
    asked = [
        EvaluationRequest(flag_key=r["flagKey"], entity_id=r["entityId"], context=r.get("context") or {})
        for r in requests
    ]
    return plain(client.evaluate_batch(asked))


def run(message):
    name = message["client"]
    match message["do"]:
        case "open":
            clients[name] = FliptClient(ClientOptions(**message["options"]))
            return None
        case "close":
            clients.pop(name).close()
            return None
        case "answers":
            client = clients[name]
            return {
                "cases": [attempt(lambda: evaluate(client, c["kind"], c["request"])) for c in message["cases"]],
                "batch": attempt(lambda: batch(client, message["batch"])),
            }
        case "flags":
            return attempt(lambda: plain(clients[name].list_flags()))
        case "seed":
            return clients[name].get_snapshot()


for line in sys.stdin:
    message = json.loads(line)
    try:
        answer = {"id": message["id"], "value": run(message)}
    except Exception as error:
        answer = {"id": message["id"], "failure": repr(error)}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()

for client in clients.values():
    client.close()
