//! PostgreSQL: an insert whose trigger notifies, and sessions that listen.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Statement};

use crate::document::{Event, Stamp, Topic, document, scan};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;

const USER: &str = "race";
/// 1,000 subscribers, each a process of the server, writers and some to spare.
const CONNECTIONS_MAX: &str = "max_connections=1200";

const SCHEMA: &str = "
    CREATE TABLE docs (id bigserial PRIMARY KEY, channel text, document jsonb);
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_notify(NEW.channel, NEW.document::text); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT ON docs FOR EACH ROW EXECUTE FUNCTION tell();";

pub(crate) fn launch(programs: &Programs, place: &Place) -> Result<Launch> {
    let data = place.directory.join("data");
    fs::create_dir(&data)?;
    let mut init = Command::new(programs.find("initdb")?);
    init.args(["--username", USER, "--auth", "trust", "--pgdata"])
        .arg(&data);
    let mut command = Command::new(programs.find("postgres")?);
    command.arg("-D").arg(&data).args(["-c", CONNECTIONS_MAX]);
    command.args(["-h", &place.address.ip().to_string()]);
    command.args(["-p", &place.address.port().to_string()]);
    // Nobody comes over a Unix socket, whose path might be too long here.
    command.args(["-c", "unix_socket_directories="]);
    if rustix::process::geteuid().is_root() {
        let (user, group) = unprivileged()?;
        std::os::unix::fs::chown(&data, Some(user), Some(group))?;
        for command in [&mut init, &mut command] {
            command.uid(user).gid(group).current_dir(&data);
        }
    }
    Ok(Launch {
        before: vec![init],
        // Ends its sessions instead of waiting for them.
        stop: Signal::INT,
        ..Launch::of(command)
    })
}

/// The user and the group that Debian's package has made: it does not run as root.
fn unprivileged() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    let user = users
        .lines()
        .find_map(|line| line.strip_prefix("postgres:"));
    let mut fields = user
        .context("PostgreSQL needs a user `postgres`")?
        .split(':')
        .skip(1);
    let mut id = || -> Result<u32> { Ok(fields.next().context("a user without ids")?.parse()?) };
    Ok((id()?, id()?))
}

/// Speaks with a server.
#[derive(Debug)]
pub(crate) struct Postgres {
    address: SocketAddr,
}

type Wire = Connection<TcpStream, NoTlsStream>;

impl Postgres {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Postgres { address })
    }

    async fn open(&self) -> Result<(Client, Wire)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut config = Config::new();
        config.user(USER).dbname("postgres");
        Ok(Box::pin(config.connect_raw(stream, NoTls)).await?)
    }

    async fn session(&self) -> Result<Session> {
        let (client, wire) = self.open().await?;
        let mut task = JoinSet::new();
        task.spawn(wire);
        Ok(Session {
            client,
            _task: task,
        })
    }
}

/// A client, and the task that moves its bytes.
struct Session {
    client: Client,
    _task: JoinSet<Result<(), tokio_postgres::Error>>,
}

#[async_trait]
impl Driver for Postgres {
    async fn prepare(&self) -> Result<()> {
        Ok(self.session().await?.client.batch_execute(SCHEMA).await?)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        let session = self.session().await?;
        let insert = "INSERT INTO docs (channel, document) VALUES ($1, $2::text::jsonb)";
        let insert = session.client.prepare(insert).await?;
        Ok(Box::new(RowWriter { session, insert }))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        let (client, mut wire) = self.open().await?;
        // In quotation marks, as `all` is a word of SQL.
        let listen = format!("LISTEN \"{}\"", topic.room());
        tokio::select! {
            listening = client.batch_execute(&listen) => listening?,
            message = next(&mut wire) => bail!("{:?} came before the answer to LISTEN", message?),
        }
        Ok(Box::new(Listener {
            wire,
            _client: client,
        }))
    }
}

/// The next message that answers nothing; ends with the connection.
async fn next(wire: &mut Wire) -> Result<AsyncMessage> {
    let message = std::future::poll_fn(|context| wire.poll_message(context)).await;
    Ok(message.context("the server closed the connection")??)
}

struct Listener {
    wire: Wire,
    /// Dropped, it would end the session.
    _client: Client,
}

#[async_trait]
impl Subscriber for Listener {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        if let AsyncMessage::Notification(notification) = next(&mut self.wire).await? {
            scan(notification.payload().as_bytes(), events);
        }
        Ok(())
    }
}

struct RowWriter {
    session: Session,
    insert: Statement,
}

#[async_trait]
impl Writer for RowWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let (channel, document) = (topic.room(), document(topic, stamp));
        self.session
            .client
            .execute(&self.insert, &[&channel, &document])
            .await?;
        Ok(())
    }
}
