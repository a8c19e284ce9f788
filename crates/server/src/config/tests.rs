use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    overrides: Overrides,
}

fn flags(arguments: &[&str]) -> Overrides {
    let all = std::iter::once("wellspring").chain(arguments.iter().copied());
    Command::try_parse_from(all).unwrap().overrides
}

fn load(toml: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wellspring.toml");
    std::fs::write(&file, toml).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let sources = Sources {
        file: Some(file),
        environment,
        overrides: flags(arguments),
    };
    let told = |error: ConfigError| {
        error
            .to_string()
            .replace(directory.path().to_str().unwrap(), "")
    };
    Config::load(sources).map_err(told)
}

fn refused(toml: &str, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    load(toml, environment, arguments).unwrap_err()
}

#[test]
fn flags_outrank_the_environment_which_outranks_the_file() {
    let toml = "dev = true\nconnections_max = 1\nhttp2_streams_max = 1\ndrain_ms = 1";
    let environment = [
        ("WELLSPRING_HTTP2_STREAMS_MAX", "2"),
        ("WELLSPRING_DRAIN_MS", "2"),
    ];
    let config = load(toml, &environment, &["--drain-ms", "3"]).unwrap();
    let set = (
        config.connections_max,
        config.http2_streams_max,
        config.drain_ms,
    );
    assert_eq!(set, (1, 2, 3));
}

#[test]
fn defaults_are_those_that_the_table_shows() {
    let config = load("", &[], &["--dev"]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:7654".parse().unwrap());
    assert_eq!(config.admin, "127.0.0.1:7655".parse().unwrap());
    assert_eq!(config.data, PathBuf::from("./wellspring-data"));
    assert_eq!(
        (config.heartbeat_ms, config.dead_after_ms),
        (25_000, 60_000)
    );
}

#[test]
fn lists_and_paths_are_read_from_each_source() {
    let config = load(
        "dev = true",
        &[("WELLSPRING_DATA", "/var/lib/wellspring")],
        &[
            "--allowed-origins",
            "https://a.example,https://b.example:8443",
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.data, PathBuf::from("/var/lib/wellspring"));
    assert_eq!(
        config.allowed_origins,
        ["https://a.example", "https://b.example:8443"]
    );
    let config = load(
        "",
        &[("WELLSPRING_ALLOWED_ORIGINS", "[https://a.example]")],
        &["--dev"],
    );
    assert_eq!(config.unwrap().allowed_origins, ["https://a.example"]);
}

#[test]
fn an_unknown_key_is_an_error_wherever_it_stands() {
    let told = refused("conections_max = 1", &[], &["--dev"]);
    assert_eq!(
        told,
        r#"there is no setting "conections_max" (from /wellspring.toml)"#
    );
    let told = refused("", &[("WELLSPRING_LISTN", "x")], &["--dev"]);
    assert_eq!(
        told,
        r#"there is no setting "listn" (from flags or environment)"#
    );
}

#[test]
fn variables_of_the_command_line_are_no_settings() {
    let environment = [
        ("WELLSPRING_SERVER", "http://x"),
        ("WELLSPRING_ACCESS_TOKEN", "s3cret"),
    ];
    assert!(load("", &environment, &["--dev"]).is_ok());
}

#[test]
fn a_bad_value_is_an_error_that_names_the_setting() {
    let told = refused("listen = 7654", &[], &["--dev"]);
    assert!(
        told.starts_with("setting listen (from /wellspring.toml): "),
        "{told}"
    );
    let told = refused("", &[("WELLSPRING_DRAIN_MS", "soon")], &["--dev"]);
    assert!(
        told.starts_with("setting drain_ms (from flags or environment): "),
        "{told}"
    );
    let told = refused("", &[], &["--dev", "--hello-timeout-ms", "0"]);
    assert_eq!(told, "setting hello_timeout_ms: 0 is not from 1 to 3600000");
    let told = refused("", &[], &["--dev", "--allowed-origins", "*"]);
    assert!(told.contains("allowed_origins"), "{told}");
    let told = refused("", &[], &["--dev", "--log-filter", "a=b=c"]);
    assert!(told.contains("log_filter"), "{told}");
    let told = refused("", &[], &["--dev", "--heartbeat-ms", "60000"]);
    assert_eq!(told, "setting heartbeat_ms must be less than dead_after_ms");
}

#[test]
fn tables_say_how_long_changes_of_collections_are_offered() {
    let documented = include_str!("../../../../docs/operations.md");
    let example = documented.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let config = load(example, &[], &["--dev"]).unwrap();
    let tables = config.collection_retention();
    assert_eq!(tables.len(), config.retention.len());
    let told: Vec<_> = tables
        .iter()
        .map(|table| {
            (
                table.collections.as_str(),
                table.age_ms_max,
                table.changes_max,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("rooms/*/messages", Some(604_800_000), None),
            ("presence", None, Some(1000))
        ]
    );
}

#[test]
fn a_table_that_makes_no_sense_is_an_error_that_names_its_collection() {
    let table = |rest: &str| refused(&format!("[[retention]]\n{rest}"), &[], &["--dev"]);
    let told = table("collection = 'rooms/42'\nage_ms_max = 1");
    assert!(
        told.starts_with(r#"[[retention]] of "rooms/42": "#),
        "{told}"
    );
    let told = table("collection = '__floors'\nage_ms_max = 1");
    assert!(told.contains("reserved"), "{told}");
    let told = table("collection = 'rooms'");
    assert!(told.contains("age_ms_max or changes_max"), "{told}");
    let told = table("age_ms_max = 1");
    assert!(told.contains("collection"), "{told}");
    let told = table("collection = 'rooms'\nage_ms = 1");
    assert!(told.contains("age_ms"), "{told}");
    let told = refused("", &[("WELLSPRING_RETENTION", "[]")], &["--dev"]);
    assert!(told.contains("[[retention]]"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_an_error_and_not_a_default() {
    use std::os::unix::ffi::OsStrExt;
    let value = std::ffi::OsStr::from_bytes(b"/data/\xff").to_owned();
    let environment = vec![
        ("WELLSPRING_DATA".into(), value.clone()),
        ("OTHER".into(), value),
    ];
    let sources = Sources {
        environment,
        overrides: flags(&["--dev"]),
        ..Sources::default()
    };
    let told = Config::load(sources).unwrap_err().to_string();
    assert_eq!(
        told,
        "setting data (from environment): its value is not Unicode"
    );
}

#[test]
fn a_broken_or_missing_file_is_named() {
    let told = refused("dev = ", &[], &[]);
    assert!(told.starts_with("/wellspring.toml: "), "{told}");
    let sources = Sources {
        file: Some("/no/such.toml".into()),
        ..Sources::default()
    };
    let told = Config::load(sources).unwrap_err().to_string();
    assert_eq!(told, "there is no configuration file /no/such.toml");
}

#[test]
fn serving_without_authentication_needs_dev_mode_and_the_error_says_so() {
    let told = refused("", &[], &[]);
    assert!(told.contains("--dev") && !told.contains("[auth]"), "{told}");
    let told = refused("[auth]\nissuer = 'x'", &[], &["--dev"]);
    assert!(told.contains("cannot authenticate yet"), "{told}");
}

#[test]
fn the_settings_that_are_packaged_with_the_service_are_good() {
    let packaged = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/wellspring.toml"
    );
    let sources = Sources {
        file: Some(packaged.into()),
        ..Sources::default()
    };
    let config = Config::load(sources).unwrap();
    assert_eq!(config.data, Path::new("/var/lib/wellspring"));
    assert_eq!(config.retention_age_ms_max, 7 * 24 * 3_600_000);
}

#[test]
fn an_address_that_others_reach_needs_a_flag_of_its_own() {
    let told = refused("", &[], &["--dev", "--listen", "0.0.0.0:7654"]);
    assert!(
        told.contains("listen") && told.contains("--insecure-plaintext"),
        "{told}"
    );
    let told = refused("", &[], &["--dev", "--admin", "[::]:7655"]);
    assert!(told.contains("admin"), "{told}");
    assert!(load("", &[], &["--dev", "--listen", "[::1]:7654"]).is_ok());
    assert!(
        load(
            "",
            &[],
            &["--dev", "--insecure-plaintext", "--listen", "0.0.0.0:1"]
        )
        .is_ok()
    );
}

#[test]
fn the_documentation_shows_this_table() {
    let documented = include_str!("../../../../docs/operations.md");
    assert!(
        documented.contains(&markdown_table()),
        "docs/operations.md should have this table:\n{}",
        markdown_table()
    );
}
