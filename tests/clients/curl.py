"""curl: REST documents and the feed as SSE, NDJSON, poll and long-poll."""

import json
from urllib.parse import quote

from checks import SERVER, Stream, check, contains, done, equal, run


class Answer:
    def __init__(self, text):
        head, _, self.body = text.replace("\r\n", "\n").partition("\n\n")
        if head.startswith("HTTP/1.1 100"):  # curl asks before it sends a large body
            head, _, self.body = self.body.partition("\n\n")
        first, *lines = head.split("\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    def json(self):
        return json.loads(self.body)


def curl(method, path, body=None, *flags):
    command = ["curl", "-sS", "-i", "-X", method, SERVER + path, *flags]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    status, out, err = run(*command, stdin=body)
    equal((status, err), (0, ""))
    return Answer(out)


def refused(answer, status, code):
    equal((answer.status, answer.json().get("code")), (status, code))
    equal(answer.headers["content-type"], "application/problem+json")


def put(path, data, *flags):
    answer = curl("PUT", f"/v1/documents/{path}", json.dumps(data), *flags)
    if answer.status not in (200, 201):
        raise AssertionError(f"PUT {path} answered {answer.status}: {answer.body}")
    return answer


def documents():
    with check("PUT creates a document: 201, Location, ETag"):
        answer = put("rooms/a", {"topic": "tea"})
        equal(answer.status, 201)
        contains(answer.headers["location"], "/v1/documents/rooms/a")
        equal(answer.json()["paths"], ["rooms/a"])
        equal(answer.headers["etag"].strip('"'), str(answer.json()["seq"]))

    with check("GET gives the envelope, its ETag is the version"):
        answer = curl("GET", "/v1/documents/rooms/a")
        equal(answer.status, 200)
        document = answer.json()
        equal((document["path"], document["data"]), ("rooms/a", {"topic": "tea"}))
        equal(answer.headers["etag"].strip('"'), str(document["version"]))

    with check("If-Match and If-None-Match hold a write back"):
        etag = curl("GET", "/v1/documents/rooms/a").headers["etag"]
        stale = curl("PUT", "/v1/documents/rooms/a", "{}", "-H", 'If-Match: "999999"')
        refused(stale, 412, "precondition_failed")
        again = curl("PUT", "/v1/documents/rooms/a", "{}", "-H", "If-None-Match: *")
        refused(again, 412, "precondition_failed")
        equal(put("rooms/a", {"topic": "coffee"}, "-H", f"If-Match: {etag}").status, 200)

    with check("PATCH merges, null removes"):
        answer = curl("PATCH", "/v1/documents/rooms/a", '{"open":true,"topic":null}')
        equal(answer.status, 200)
        equal(curl("GET", "/v1/documents/rooms/a").json()["data"], {"open": True})

    with check("numbers come back digit for digit"):
        data = '{"a":9007199254740993,"b":123456789012345678901234567890,"c":1.10}'
        equal(curl("PUT", "/v1/documents/rooms/digits", data).status, 201)
        contains(curl("GET", "/v1/documents/rooms/digits").body, data)

    with check("POST to a collection inserts under a ULID"):
        answer = curl("POST", "/v1/documents/rooms", '{"open":false}')
        equal(answer.status, 201)
        equal(len(answer.json()["paths"][0].removeprefix("rooms/")), 26)

    with check("the same Idempotency-Key writes once"):
        key = ("-H", "Idempotency-Key: 5f1c9a7e")
        first = curl("POST", "/v1/documents/keyed", '{"n":1}', *key)
        equal(curl("POST", "/v1/documents/keyed", '{"n":1}', *key).json(), first.json())
        other = curl("POST", "/v1/documents/keyed", '{"n":2}', *key)
        refused(other, 400, "mutation_id_reused")

    with check("DELETE deletes, and then there is nothing"):
        equal(curl("DELETE", "/v1/documents/rooms/a").status, 200)
        refused(curl("GET", "/v1/documents/rooms/a"), 404, "not_found")
        refused(curl("DELETE", "/v1/documents/rooms/a"), 404, "not_found")


def queries():
    writes = [
        {"op": "set", "path": f"films/{n}", "data": {"year": 1990 + n, "even": n % 2 == 0}}
        for n in range(10)
    ]
    with check("POST /v1/commit writes all or nothing"):
        equal(curl("POST", "/v1/commit", json.dumps({"writes": writes})).status, 200)
        half = [{"op": "set", "path": "films/x", "data": {}}, {"op": "delete", "path": "films/no"}]
        refused(curl("POST", "/v1/commit", json.dumps({"writes": half})), 404, "not_found")
        refused(curl("GET", "/v1/documents/films/x"), 404, "not_found")

    with check("a query is filtered, ordered and read in pages"):
        where = quote('{"even":true}')
        years, cursor = [], ""
        for _ in range(10):
            path = f"/v1/documents/films?where={where}&order_by=-year&limit=2{cursor}"
            page = curl("GET", path).json()
            years += [document["data"]["year"] for document in page["documents"]]
            if not page.get("cursor"):
                break
            cursor = "&cursor=" + quote(page["cursor"])
        equal(years, [1998, 1996, 1994, 1992, 1990])

    with check("POST /v1/query asks the same"):
        query = {"collection": "films", "where": {"year": {"gte": 1998}}, "order_by": ["year"]}
        found = curl("POST", "/v1/query", json.dumps(query)).json()["documents"]
        equal([document["path"] for document in found], ["films/8", "films/9"])


def past():
    first = put("past/a", {"n": 1}).json()["seq"]
    second = put("past/a", {"n": 2}).json()["seq"]
    gone = curl("DELETE", "/v1/documents/past/a").json()["seq"]
    last = put("past/a", {"n": 3}).json()["seq"]

    with check("?at= reads a document and a list as of a sequence"):
        answer = curl("GET", f"/v1/documents/past/a?at={second}")
        equal((answer.json()["data"], answer.headers["etag"]), ({"n": 2}, f'"{second}"'))
        refused(curl("GET", f"/v1/documents/past/a?at={gone}"), 404, "not_found")
        page = curl("GET", f"/v1/documents/past?at={first}").json()
        equal((page["seq"], page["documents"][0]["data"]), (first, {"n": 1}))
        equal(curl("GET", f"/v1/documents/past?at={gone}").json()["documents"], [])

    with check("?at= takes a time and a token"):
        token = curl("GET", "/v1/changes/past?from=snapshot").json()["token"]
        put("past/a", {"n": 4})
        equal(curl("GET", f"/v1/documents/past/a?at={token}").json()["version"], last)
        early = curl("GET", "/v1/documents/past?at=1970-01-01T00:00:00Z").json()
        equal((early["seq"], early["documents"]), (0, []))

    with check("?at= that is still to come, or nothing at all, is refused"):
        refused(curl("GET", "/v1/documents/past/a?at=999999"), 400, "invalid_argument")
        refused(curl("GET", "/v1/documents/past/a?at=2999-01-01T00:00:00Z"), 400, "invalid_argument")
        refused(curl("GET", "/v1/documents/past/a?at=AZ8sWgA"), 400, "token_invalid")

    with check("a history has every version, newest first, in pages"):
        found, cursor = [], ""
        while True:
            page = curl("GET", f"/v1/history/past/a?limit=2{cursor}").json()
            found += [(v["version"], v["op"], v.get("data")) for v in page["versions"]]
            if not page.get("cursor"):
                break
            cursor = "&cursor=" + quote(page["cursor"])
        equal(
            found[1:],
            [
                (last, "insert", {"n": 3}),
                (gone, "delete", None),
                (second, "update", {"n": 2}),
                (first, "insert", {"n": 1}),
            ],
        )
        equal((found[0][1], page.get("truncated")), ("update", None))


def refusals():
    def commit(text):
        return curl("POST", "/v1/commit", text)

    with check("an unknown field is refused by name and nothing is stored"):
        text = '{"writes":[{"op":"set","path":"bad/1","data":{},"if_verson":3}]}'
        answer = commit(text)
        refused(answer, 400, "invalid_argument")
        contains(answer.body, "if_verson")
        refused(curl("GET", "/v1/documents/bad/1"), 404, "not_found")

    with check("an unknown query parameter is refused by name"):
        answer = curl("GET", "/v1/documents/rooms?were=x")
        refused(answer, 400, "invalid_argument")
        contains(answer.body, "were")

    with check("a duplicate key, a deep and a large document are refused"):
        refused(curl("PUT", "/v1/documents/bad/1", '{"a":1,"a":2}'), 400, "duplicate_key")
        deep = '{"a":' + "[" * 70 + "]" * 70 + "}"
        refused(curl("PUT", "/v1/documents/bad/1", deep), 400, "too_deep")
        large = json.dumps({"text": "x" * (1 << 20)})
        refused(curl("PUT", "/v1/documents/bad/1", large), 413, "too_large")
        refused(curl("GET", "/v1/documents/bad/1"), 404, "not_found")

    with check("an encoded slash and a reserved segment are refused"):
        refused(curl("PUT", "/v1/documents/bad/a%2Fb", "{}"), 400, "invalid_argument")
        refused(curl("PUT", "/v1/documents/bad/__x", "{}"), 400, "invalid_argument")

    with check("an unknown route is a problem document"):
        refused(curl("GET", "/v1/nowhere"), 404, "not_found")


def event(stream):
    """The next SSE event with data: its id, or None, and its message."""
    id_, data = None, []
    while True:
        line = stream.line()
        if line.startswith("id:"):
            id_ = line[3:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line == "" and data:
            return id_, json.loads("\n".join(data))


def changes_of(message):
    """(path, op) of each change in a `changes` message; nothing for other messages."""
    commits = message.get("commits", [])
    return [(change["path"], change["op"]) for commit in commits for change in commit["changes"]]


def sse(*flags, query):
    accept = ("-H", "Accept: text/event-stream")
    return Stream("curl", "-sSN", *accept, *flags, f"{SERVER}/v1/changes/feed?{query}")


def feeds():
    put("feed/1", {"n": 1})
    token = None
    with check("SSE: retry first, then snapshot, current and changes with ids"):
        with sse(query="from=snapshot") as stream:
            contains(stream.line(), "retry:")
            equal(event(stream)[1]["type"], "subscribed")
            _, snapshot = event(stream)
            equal([d["path"] for d in snapshot["documents"]], ["feed/1"])
            id_, current = event(stream)
            equal((current["type"], id_), ("current", current["token"]))
            put("feed/2", {"n": 2})
            token, message = event(stream)
            equal(changes_of(message), [("feed/2", "insert")])
            equal(token, message["token"])

    with check("SSE: Last-Event-ID resumes and outranks the query"):
        put("feed/3", {"n": 3})
        with sse("-H", f"Last-Event-ID: {token}", query="from=snapshot") as stream:
            equal(event(stream)[1]["how"], "resumed")
            equal(changes_of(event(stream)[1]), [("feed/3", "insert")])

    with check("SSE: headers forbid caches and proxies to hold it"):
        with sse("-i", query="from=now") as stream:
            head = iter(stream.line, "")
            answer = Answer("\n".join(head) + "\n\n")
        contains(answer.headers["cache-control"], "no-store")
        equal(answer.headers["x-accel-buffering"], "no")

    with check("NDJSON: the same messages, one a line, by the same token"):
        url = f"{SERVER}/v1/changes/feed?after={token}"
        with Stream("curl", "-sSN", "-H", "Accept: application/x-ndjson", url) as stream:
            equal(json.loads(stream.line())["how"], "resumed")
            equal(changes_of(json.loads(stream.line())), [("feed/3", "insert")])

    with check("poll: a page at once, and its token goes on"):
        page = curl("GET", f"/v1/changes/feed?after={token}&wait=0").json()
        found = [change for message in page["messages"] for change in changes_of(message)]
        equal(found, [("feed/3", "insert")])
        rest = curl("GET", f"/v1/changes/feed?after={page['token']}&wait=0")
        equal((rest.status, changes_in(rest.json())), (200, []))
        token = page["token"]

    with check("long-poll: a loop gets every change once, in order"):
        found = []
        for n in range(4, 8):
            url = f"{SERVER}/v1/changes/feed?after={token}&wait=15s"
            with Stream("curl", "-sS", url) as waiting:
                put(f"feed/{n}", {"n": n})
                page = waiting.object()
            found += changes_in(page)
            token = page["token"]
        equal(found, [(f"feed/{n}", "insert") for n in range(4, 8)])

    with check("a token of somebody else's is refused"):
        answer = curl("GET", "/v1/changes/feed?after=AAAAAAAA&wait=0")
        refused(answer, 400, "token_invalid")


def changes_in(page):
    return [change for message in page["messages"] for change in changes_of(message)]


def main():
    documents()
    queries()
    past()
    refusals()
    feeds()
    with check("HTTP/2 without TLS is spoken on the same port"):
        answer = curl("GET", "/readyz", None, "--http2-prior-knowledge")
        equal(answer.status, 200)
    done()


main()
