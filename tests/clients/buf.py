"""buf: the protobuf files' lint, gRPC over h2c, gRPC-web over h2c and HTTP/1.1."""

import json

from checks import SERVER, Stream, check, contains, done, equal, run

SCHEMA = ("--schema", "proto")
WIRES = {
    "gRPC over h2c": ("--protocol", "grpc", "--http2-prior-knowledge"),
    "gRPC-web over h2c": ("--protocol", "grpcweb", "--http2-prior-knowledge"),
    "gRPC-web over HTTP/1.1": ("--protocol", "grpcweb"),
}


def command(method, request, *flags):
    return ("buf", "curl", *flags, "-d", json.dumps(request), f"{SERVER}/wellspring.v1.{method}")


def call(method, request, *flags):
    status, out, err = run(*command(method, request, *flags))
    equal((status, err), (0, ""))
    return json.loads(out)


def over(name, flags):
    slug = name.lower().replace(" ", "-").replace("/", "-")
    path = f"{slug}/1"

    with check(f"{name}: a document is written and read"):
        insert = {"op": "WRITE_OP_INSERT", "path": path, "data": {"json": '{"c":1.10}'}}
        call("Documents/Commit", {"writes": [insert]}, *SCHEMA, *flags)
        answer = call("Documents/GetDocument", {"path": path}, *SCHEMA, *flags)
        equal(answer["document"]["data"]["json"], '{"c":1.10}')

    with check(f"{name}: a refusal has its status and message"):
        request = {"path": f"{slug}/absent"}
        status, _, err = run(*command("Documents/GetDocument", request, *SCHEMA, *flags))
        if status == 0:
            raise AssertionError("the call was accepted")
        contains(json.loads(err)["code"], "not_found")

    with check(f"{name}: the feed streams"):
        request = {"collection": slug, "from": {"snapshot": True}}
        with Stream(*command("Changes/Subscribe", request, *SCHEMA, *flags)) as stream:
            equal(stream.object()["subscribed"]["how"], "HOW_SNAPSHOT")
            equal(stream.object()["snapshot"]["documents"][0]["path"], path)
            stream.object()
            write = {"op": "WRITE_OP_DELETE", "path": path}
            call("Documents/Commit", {"writes": [write]}, *SCHEMA, *flags)
            changes = stream.object()["changes"]["commits"][0]["changes"]
            equal([(change["path"], change["op"]) for change in changes], [(path, "OP_DELETE")])


def main():
    with check("buf lint finds nothing in the protobuf files"):
        status, out, err = run("buf", "lint", "proto")
        equal((status, out, err), (0, "", ""))
    for name, flags in WIRES.items():
        over(name, flags)
    with check("the schema comes by reflection too"):
        flags = ("--protocol", "grpc", "--http2-prior-knowledge")
        call("Documents/ListDocuments", {"collection": "nothing"}, *flags)
    done()


main()
