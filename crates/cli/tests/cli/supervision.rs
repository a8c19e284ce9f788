//! The server under a supervisor: what it tells, the sockets that it is given, being asked twice.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use crate::support::{Server, signal, wellspring};

#[test]
fn a_supervisor_is_told_when_it_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut told = Told { socket };
    let mut program = wellspring();
    program.env("NOTIFY_SOCKET", &path);
    let server = Server::start_as(program, tempfile::tempdir().unwrap());
    told.wait_for("READY=1");
    server.signal("TERM");
    told.wait_for("STOPPING=1");
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn with_a_socket_that_is_passed_on_clients_wait_through_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start_as(passing_on(&listener), tempfile::tempdir().unwrap());
    assert_eq!(server.url, url);
    assert_eq!(server.run(["put", "rooms/1", "{}"]).status, 0);
    server.signal("TERM");
    let (status, directory) = server.ended();
    assert_eq!(status, Some(0));

    // Nobody accepts now, and nobody is refused.
    let address = url.trim_start_matches("http://");
    let mut waits = TcpStream::connect(address).unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    waits.write_all(request).unwrap();
    let server = Server::start_as(passing_on(&listener), directory);
    let mut answer = [0; 12];
    waits.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(server.run(["get", "rooms/1"]).status, 0);
}

#[test]
fn a_socket_that_others_can_reach_is_refused_like_an_address() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut program = passing_on(&listener);
    let child = program
        .current_dir(directory.path())
        .args(["serve", "--dev"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = child.output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--insecure-plaintext"), "{stderr}");
}

#[test]
fn asked_a_second_time_to_stop_it_ends_at_once() {
    let mut program = wellspring();
    program.env("WELLSPRING_DRAIN_MS", "3600000");
    program.env("WELLSPRING_BODY_TIMEOUT_MS", "3600000");
    let server = Server::start_as(program, tempfile::tempdir().unwrap());
    // A request that never becomes whole: the server waits for it.
    let address = server.url.trim_start_matches("http://");
    let mut client = TcpStream::connect(address).unwrap();
    let head = "POST /v1/commit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    // Its 100 (RFC 9110, 10.1.1) says that it reads the body now.
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    server.signal("TERM");
    server.wait_for_log("clients are asked to leave");
    server.signal("TERM");
    assert_eq!(server.ended().0, Some(130));
}

#[test]
fn told_to_stop_while_it_opens_it_waits_for_nothing_but_the_opening() {
    let directory = tempfile::tempdir().unwrap();
    // Reading META waits until somebody has it open for writing: an opening that takes its time.
    let meta = directory.path().join("META");
    assert!(
        Command::new("mkfifo")
            .arg(&meta)
            .status()
            .unwrap()
            .success()
    );
    let mut child = wellspring()
        .current_dir(directory.path())
        .args(["serve", "--dev", "--data", ".", "--drain-ms", "100"])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut wait_for = |part: &str| log.any(|line| line.unwrap().contains(part));
    assert!(wait_for("listening"));
    signal(&child, "TERM");
    assert!(wait_for("clients are asked to leave"));
    drop(std::fs::write(&meta, "no META"));
    let rest: Vec<String> = log.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:?}");
    let cut_off = rest.iter().find(|line| line.contains("cut off"));
    assert_eq!(cut_off, None, "there was no client");
}

/// What was told to a supervisor.
struct Told {
    socket: UnixDatagram,
}

impl Told {
    fn wait_for(&mut self, wanted: &str) {
        let mut bytes = [0; 4096];
        loop {
            let length = self.socket.recv(&mut bytes).unwrap();
            let text = std::str::from_utf8(&bytes[..length]).unwrap();
            if text.lines().any(|line| line == wanted) {
                return;
            }
        }
    }
}

/// Runs `wellspring` with this socket as the first that a supervisor passes on: descriptor 3, as
/// `sd_listen_fds(3)` has it.
fn passing_on(listener: &TcpListener) -> Command {
    let socket: OwnedFd = listener.try_clone().unwrap().into();
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .arg(wellspring().get_program())
        .stdin(Stdio::from(socket));
    shell
}
