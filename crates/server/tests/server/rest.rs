use http::Method;

use crate::support::{TestServer, elements, field, number, request, text, with};

#[tokio::test]
async fn a_document_is_put_read_patched_and_deleted() {
    let server = TestServer::start().await;
    let put = server
        .put("/v1/documents/rooms/42", r#"{"topic":"tea","open":true}"#)
        .await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(put.header("location"), "/v1/documents/rooms/42");
    let seq = number(&put.json(), "seq");
    assert_eq!(put.header("etag"), format!("\"{seq}\""));
    assert_eq!(field(&put.json(), "paths").to_text(), r#"["rooms/42"]"#);

    let got = server.get("/v1/documents/rooms/42").await;
    assert_eq!(
        (got.status.as_u16(), got.header("etag")),
        (200, put.header("etag"))
    );
    assert_eq!(
        field(&got.json(), "data").to_text(),
        r#"{"topic":"tea","open":true}"#
    );
    assert_eq!(number(&got.json(), "version"), seq);

    let again = server
        .put("/v1/documents/rooms/42", r#"{"topic":"tea","open":true}"#)
        .await;
    assert_eq!(again.status, 200, "replaced, not created");
    assert_eq!(
        number(&again.json(), "seq"),
        seq + 1,
        "an identical set is an update"
    );

    let patch = request(
        Method::PATCH,
        "/v1/documents/rooms/42",
        r#"{"open":null,"votes":1}"#,
    );
    assert_eq!(server.send(patch).await.status, 200);
    let got = server.get("/v1/documents/rooms/42").await;
    assert_eq!(
        field(&got.json(), "data").to_text(),
        r#"{"topic":"tea","votes":1}"#
    );

    let deleted = server
        .send(request(Method::DELETE, "/v1/documents/rooms/42", ""))
        .await;
    assert_eq!(deleted.status, 200);
    let gone = server.get("/v1/documents/rooms/42").await;
    assert_eq!(gone.problem(), (404, "not_found".into()));
    let deleted = server
        .send(request(Method::DELETE, "/v1/documents/rooms/42", ""))
        .await;
    assert_eq!(deleted.problem(), (404, "not_found".into()));
}

#[tokio::test]
async fn numbers_keep_every_digit_from_end_to_end() {
    let server = TestServer::start().await;
    let data = r#"{"a":123456789012345678901234567890,"b":0.1000,"c":1E+2,"d":-0.0}"#;
    server.put("/v1/documents/numbers/1", data).await;
    let got = server.get("/v1/documents/numbers/1").await;
    assert!(got.body.contains(data), "{}", got.body);
    let listed = server.get("/v1/documents/numbers").await;
    assert!(listed.body.contains(data), "{}", listed.body);
}

#[tokio::test]
async fn preconditions_are_headers() {
    let server = TestServer::start().await;
    let put = |header, value| {
        with(
            request(Method::PUT, "/v1/documents/rooms/1", "{}"),
            header,
            value,
        )
    };
    let created = server.send(put("if-none-match", "*")).await;
    assert_eq!(created.status, 201);
    let refused = server.send(put("if-none-match", "*")).await;
    assert_eq!(refused.problem(), (412, "precondition_failed".into()));
    let tag = created.header("etag").to_owned();
    let updated = server.send(put("if-match", &tag)).await;
    assert_eq!(updated.status, 200);
    let refused = server.send(put("if-match", &tag)).await;
    assert_eq!(refused.problem(), (412, "precondition_failed".into()));
    let details = field(&refused.json(), "details").clone();
    assert_eq!(number(&details, "version"), number(&updated.json(), "seq"));
    let unclear = server.send(put("if-match", "yesterday")).await;
    assert_eq!(unclear.problem(), (400, "invalid_argument".into()));

    let get = request(Method::GET, "/v1/documents/rooms/1", "");
    let known = server
        .send(with(get, "if-none-match", updated.header("etag")))
        .await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
}

#[tokio::test]
async fn a_condition_in_the_wrong_place_is_refused_and_not_passed_over() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let commit = r#"{"writes":[{"op":"set","path":"rooms/1","data":{"n":2}}]}"#;
    for header in ["if-match", "if-none-match"] {
        let commit = with(request(Method::POST, "/v1/commit", commit), header, "*");
        let refused = server.send(commit).await;
        assert_eq!(refused.problem(), (400, "invalid_argument".into()));
    }
    let delete = request(
        Method::DELETE,
        "/v1/documents/rooms/1",
        r#"{"if_version":7}"#,
    );
    let refused = server.send(delete).await;
    assert_eq!(refused.problem(), (400, "invalid_argument".into()));
    let kept = server.get("/v1/documents/rooms/1").await;
    assert!(kept.body.contains(r#"{"n":1}"#), "{}", kept.body);
}

#[tokio::test]
async fn a_post_to_a_collection_makes_an_id_and_a_repeat_makes_no_second_document() {
    let server = TestServer::start().await;
    let post = || {
        with(
            request(Method::POST, "/v1/documents/notes", r#"{"n":1}"#),
            "idempotency-key",
            "k1",
        )
    };
    let first = server.send(post()).await;
    assert_eq!(first.status, 201, "{first:?}");
    let path = elements(&first.json(), "paths")[0]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(path.len(), "notes/".len() + 26, "a ULID: {path}");
    let second = server.send(post()).await;
    assert_eq!(second.json(), first.json());
    let listed = server.get("/v1/documents/notes").await;
    assert_eq!(elements(&listed.json(), "documents").len(), 1);

    let other = with(
        request(Method::POST, "/v1/documents/notes", "{}"),
        "idempotency-key",
        "k1",
    );
    let other = server.send(other).await;
    assert_eq!(other.problem(), (400, "mutation_id_reused".into()));
    assert_eq!(server.post("/v1/documents/notes", "{}").await.status, 201);
}

#[tokio::test]
async fn a_commit_is_atomic_over_collections() {
    let server = TestServer::start().await;
    let commit = r#"{"writes":[{"op":"insert","path":"a/1","data":{"n":1}},
        {"op":"set","path":"b/1/c/2","data":{}}]}"#;
    let committed = server.post("/v1/commit", commit).await;
    assert_eq!(committed.status, 200, "{committed:?}");
    assert_eq!(
        field(&committed.json(), "paths").to_text(),
        r#"["a/1","b/1/c/2"]"#
    );
    let half = r#"{"writes":[{"op":"set","path":"a/2","data":{}},
        {"op":"insert","path":"a/1","data":{}}]}"#;
    let refused = server.post("/v1/commit", half).await;
    assert_eq!(refused.problem(), (409, "already_exists".into()));
    assert_eq!(server.get("/v1/documents/a/2").await.status, 404);
    let transform = r#"{"writes":[{"op":"update","path":"a/1",
        "transforms":[{"field":"n","increment":0.5}]}]}"#;
    assert_eq!(server.post("/v1/commit", transform).await.status, 200);
    let got = server.get("/v1/documents/a/1").await;
    assert_eq!(field(&got.json(), "data").to_text(), r#"{"n":1.5}"#);
}

#[tokio::test]
async fn collections_are_listed_and_queried_page_by_page() {
    let server = TestServer::start().await;
    for n in 0..5 {
        server
            .put(
                &format!("/v1/documents/films/f{n}"),
                &format!(r#"{{"year":{}}}"#, 2000 + n),
            )
            .await;
    }
    let years = |answer: &crate::support::Answer| {
        let json = answer.json();
        let year = |document| number(field(document, "data"), "year");
        elements(&json, "documents")
            .iter()
            .map(year)
            .collect::<Vec<_>>()
    };
    let first = server
        .get("/v1/documents/films?order_by=-year&limit=2")
        .await;
    assert_eq!(years(&first), [2004, 2003]);
    // Pages are exact as of the first one.
    server
        .put("/v1/documents/films/f9", r#"{"year":2001}"#)
        .await;
    let cursor = text(&first.json(), "cursor").to_owned();
    let next = format!("/v1/documents/films?order_by=-year&limit=3&cursor={cursor}");
    let second = server.get(&next).await;
    assert_eq!(years(&second), [2002, 2001, 2000], "{}", second.body);

    let filter = "%7B%22year%22%3A%7B%22gte%22%3A2003%7D%7D";
    let matching = server
        .get(&format!("/v1/documents/films?where={filter}"))
        .await;
    assert_eq!(years(&matching), [2003, 2004]);
    let query = r#"{"collection":"films","where":{"year":{"in":[2000,2004]}}}"#;
    assert_eq!(years(&server.post("/v1/query", query).await), [2000, 2004]);
}

#[tokio::test]
async fn errors_are_problems_everywhere() {
    let server = TestServer::start().await;
    let problem =
        async |method, path, body: &str| server.send(request(method, path, body)).await.problem();
    let invalid = |status| (status, "invalid_argument".to_owned());
    assert_eq!(
        problem(Method::GET, "/", "").await,
        (404, "not_found".into())
    );
    assert_eq!(
        problem(Method::GET, "/v2/documents/a/b", "").await,
        (404, "not_found".into())
    );
    assert_eq!(
        problem(Method::DELETE, "/v1/commit", "").await,
        invalid(405)
    );
    assert_eq!(
        problem(Method::POST, "/v1/documents/a/b", "{}").await,
        invalid(405)
    );
    assert_eq!(
        problem(Method::PUT, "/v1/documents/a", "{}").await,
        invalid(405)
    );
    assert_eq!(
        problem(Method::PUT, "/v1/changes/a", "{}").await,
        invalid(405)
    );
    assert_eq!(
        problem(Method::GET, "/v1/documents/a/b?wher=1", "").await,
        invalid(400)
    );
    assert_eq!(
        problem(Method::GET, "/v1/documents/a%2Fb/c", "").await,
        invalid(400)
    );
    assert_eq!(
        problem(Method::GET, "/v1/documents/a/__b", "").await,
        invalid(400)
    );
    assert_eq!(
        problem(Method::PUT, "/v1/documents/a/b", "[1]").await,
        invalid(400)
    );
    assert_eq!(
        problem(Method::PUT, "/v1/documents/a/b", r#"{"a":1"#).await,
        invalid(400)
    );
    let twice = problem(Method::PUT, "/v1/documents/a/b", r#"{"a":1,"a":2}"#).await;
    assert_eq!(twice, (400, "duplicate_key".into()));
    let plain = with(
        request(Method::PUT, "/v1/documents/a/b", "{}"),
        "content-type",
        "text/plain",
    );
    assert_eq!(server.send(plain).await.problem(), invalid(415));
    for path in [
        "/v1/documents/a?where=%7B%22a%22:%22%ff%22%7D",
        "/v1/documents/a?where=%7B%22a%22:%22%zz%22%7D",
        "/v1/changes/a?where=%7B%22a%22:%22%22%7D%",
    ] {
        assert_eq!(problem(Method::GET, path, "").await, invalid(400));
    }
    let misspelt = r#"{"writes":[{"op":"delete","path":"a/b","if_verson":3}]}"#;
    let refused = server.post("/v1/commit", misspelt).await;
    assert!(refused.body.contains("if_verson"), "{}", refused.body);
    assert_eq!(refused.problem(), invalid(400));
}

#[tokio::test]
async fn bodies_and_documents_are_bounded() {
    let server = TestServer::start().await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(
        server.put("/v1/documents/a/b", &large).await.problem(),
        (413, "too_large".into())
    );
    let larger = format!(r#"{{"a":"{}"}}"#, "x".repeat(4 << 20));
    assert_eq!(
        server.put("/v1/documents/a/b", &larger).await.problem(),
        (413, "too_large".into())
    );
    let fits = format!(r#"{{"a":"{}"}}"#, "x".repeat((1 << 20) - 8));
    assert_eq!(server.put("/v1/documents/a/b", &fits).await.status, 201);
}
