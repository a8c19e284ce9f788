"""grpcurl 1.8.6: reflection, health, unary calls, the feed, strict requests."""

import base64
import json
import re

from checks import ADDRESS, Stream, check, contains, done, equal, run


def grpcurl(*arguments):
    return run("grpcurl", "-plaintext", *arguments)


def call(method, request, *flags):
    """The answer of a call that must succeed."""
    status, out, err = grpcurl(*flags, "-d", json.dumps(request), ADDRESS, method)
    equal((status, err), (0, ""))
    return json.loads(out)


def refused(code, part, method, request, *flags):
    status, _, err = grpcurl(*flags, "-d", json.dumps(request), ADDRESS, method)
    if status == 0:
        raise AssertionError("the call was accepted")
    contains(err, f"Code: {code}")
    contains(err, part)
    return err


def write(path, data, op="WRITE_OP_SET"):
    request = {"writes": [{"op": op, "path": path, "data": {"json": data}}]}
    return call("wellspring.v1.Documents/Commit", request)


def discovery():
    with check("list names the services by reflection"):
        status, out, _ = grpcurl(ADDRESS, "list")
        equal(status, 0)
        services = out.split()
        for service in ["wellspring.v1.Documents", "wellspring.v1.Changes", "grpc.health.v1.Health"]:
            contains(services, service)

    with check("describe shows a method and a message"):
        status, out, _ = grpcurl(ADDRESS, "describe", "wellspring.v1.Changes.Subscribe")
        equal(status, 0)
        contains(out, "returns ( stream .wellspring.v1.SubscribeResponse )")
        _, out, _ = grpcurl(ADDRESS, "describe", "wellspring.v1.Content")
        contains(out, "string json = 1")

    with check("health says SERVING, for the server and for each service"):
        equal(call("grpc.health.v1.Health/Check", {})["status"], "SERVING")
        request = {"service": "wellspring.v1.Changes"}
        equal(call("grpc.health.v1.Health/Check", request)["status"], "SERVING")


def documents():
    exact = '{"a":9007199254740993,"b":123456789012345678901234567890,"c":1.10}'
    with check("a document is written and read back, digit for digit"):
        written = write("rooms/1", exact)
        equal(written["paths"], ["rooms/1"])
        document = call("wellspring.v1.Documents/GetDocument", {"path": "rooms/1"})["document"]
        equal(document["data"]["json"], exact)
        equal(document["version"], written["seq"])

    with check("FORMAT_STRUCT says where digits were lost"):
        request = {"path": "rooms/1", "format": "FORMAT_STRUCT"}
        data = call("wellspring.v1.Documents/GetDocument", request)["document"]["data"]
        equal((data["inexact"], data["value"]["c"]), (True, 1.1))

    with check("a document sent as Struct is stored as JSON"):
        request = {"collection": "rooms", "id": "2", "data": {"value": {"open": True, "n": 3}}}
        equal(call("wellspring.v1.Documents/CreateDocument", request)["path"], "rooms/2")
        document = call("wellspring.v1.Documents/GetDocument", {"path": "rooms/2"})["document"]
        equal(json.loads(document["data"]["json"]), {"open": True, "n": 3})

    with check("update, query and delete"):
        request = {"path": "rooms/2", "transforms": [{"field": "n", "increment": "0.5"}]}
        call("wellspring.v1.Documents/UpdateDocument", request)
        query = {"collection": "rooms", "where": {"json": '{"n":3.5}'}}
        found = call("wellspring.v1.Documents/Query", query)["documents"]
        equal([document["path"] for document in found], ["rooms/2"])
        call("wellspring.v1.Documents/DeleteDocument", {"path": "rooms/2"})
        get = {"path": "rooms/2"}
        refused("NotFound", "rooms/2", "wellspring.v1.Documents/GetDocument", get)


def past():
    with check("the past is read at a sequence and at a time"):
        first = int(write("past/1", '{"n":1}')["seq"])
        second = int(write("past/1", '{"n":2}')["seq"])
        request = {"path": "past/1", "at": {"seq": first}}
        found = call("wellspring.v1.Documents/GetDocument", request)
        equal((found["seq"], found["document"]["data"]["json"]), (str(first), '{"n":1}'))
        query = {"collection": "past", "at": {"time": "1970-01-01T00:00:00Z"}}
        equal(call("wellspring.v1.Documents/Query", query), {})
        ahead = {"path": "past/1", "at": {"seq": second + 1000}}
        refused("InvalidArgument", "ahead", "wellspring.v1.Documents/GetDocument", ahead)

    with check("GetHistory gives the versions, newest first"):
        call("wellspring.v1.Documents/DeleteDocument", {"path": "past/1"})
        found = call("wellspring.v1.Documents/GetHistory", {"path": "past/1"})
        ops = [version["op"] for version in found["versions"]]
        equal(ops, ["OP_DELETE", "OP_UPDATE", "OP_INSERT"])
        equal(found["versions"][2]["data"]["json"], '{"n":1}')


def refusals():
    with check("an unknown protobuf field is refused by number"):
        stranger = ("-import-path", ".", "-proto", "stranger.proto")
        request = {"path": "rooms/1", "if_verson": 3}
        method = "wellspring.v1.Documents/GetDocument"
        refused("InvalidArgument", "99", method, request, *stranger)

    with check("a bad path is refused with the code in its details"):
        request = {"path": "rooms"}
        method = "wellspring.v1.Documents/GetDocument"
        # grpcurl 1.8.6 does not know ErrorInfo and shows its bytes.
        err = refused("InvalidArgument", "google.rpc.ErrorInfo", method, request)
        details = base64.b64decode(re.search(r'"@value":"([^"]+)"', err)[1])
        contains(details, b"invalid_argument")
        contains(details, b"wellspring")

    with check("inserting twice is AlreadyExists"):
        insert = {"op": "WRITE_OP_INSERT", "path": "rooms/1", "data": {"json": "{}"}}
        request = {"writes": [insert]}
        refused("AlreadyExists", "rooms/1", "wellspring.v1.Documents/Commit", request)


def subscribe(position):
    request = json.dumps({"collection": "feed", "from": position})
    method = "wellspring.v1.Changes/Subscribe"
    return Stream("grpcurl", "-plaintext", "-d", request, ADDRESS, method)


def paths(message):
    commits = message["changes"]["commits"]
    return [(change["path"], change["op"]) for commit in commits for change in commit["changes"]]


def feed():
    token = None
    with check("subscribe from a snapshot, then live"):
        write("feed/1", '{"n":1}')
        with subscribe({"snapshot": True}) as stream:
            equal(stream.object()["subscribed"]["how"], "HOW_SNAPSHOT")
            snapshot = stream.object()["snapshot"]
            equal([document["path"] for document in snapshot["documents"]], ["feed/1"])
            token = stream.object()["current"]["token"]
            write("feed/2", '{"n":2}')
            equal(paths(stream.object()), [("feed/2", "OP_INSERT")])

    with check("subscribe by token goes on where it stands"):
        write("feed/1", '{"n":3}')
        found = []
        with subscribe({"token": token}) as stream:
            equal(stream.object()["subscribed"]["how"], "HOW_RESUMED")
            while len(found) < 2:
                found += paths(stream.object())
        equal(found, [("feed/2", "OP_INSERT"), ("feed/1", "OP_UPDATE")])


def main():
    discovery()
    documents()
    past()
    refusals()
    feed()
    done()


main()
