//! Hyperdrive in a Worker, with the drivers that people use and the databases that they have.

use std::collections::BTreeSet;

use selvedge_databases::{DATABASE, MariaDb, Postgres};
use serde_json::Value;

use crate::orms::{install, with_prisma};
use crate::support::{Node, Project};

const FIXTURE: &str = "fixtures/workers/hyperdrive";
/// Nothing listens there.
const NOWHERE: u16 = 9;

/// `None` when it is not installed.
fn postgres() -> Option<Postgres> {
    Postgres::start(&[]).unwrap()
}

/// `None` when it is not installed.
fn mariadb() -> Option<MariaDb> {
    let options = ["--max-allowed-packet=64M", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"];
    MariaDb::start(&options).unwrap()
}

/// The processes that work for the pool.
fn backends(postgres: &Postgres) -> BTreeSet<String> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    postgres.psql(DATABASE, sql).unwrap().lines().map(str::to_owned).collect()
}

/// The fixture, with the databases at these ports.
async fn fixture(postgres: u16, mariadb: u16) -> Project {
    let project = Project::copy(FIXTURE);
    let modules = install(FIXTURE).await;
    std::os::unix::fs::symlink(modules, project.path().join("node_modules")).unwrap();
    move_to(&project, &[("127.0.0.1:5432", postgres), ("127.0.0.1:3306", mariadb)]);
    project
}

/// Writes other ports into a project's config.
fn move_to(project: &Project, ports: &[(&str, u16)]) {
    let config = ports.iter().fold(project.read("wrangler.jsonc"), |config, (address, port)| {
        config.replace(address, &format!("127.0.0.1:{port}"))
    });
    project.write("wrangler.jsonc", &config);
}

/// Runs the samples at `path`, which are `at_least` so many.
async fn check(node: &Node, path: &str, at_least: usize) {
    let report = node.get(path).await.json();
    let results = report["results"].as_array().unwrap_or_else(|| panic!("{report:#}\n{}", node.output()));
    let failed: Vec<&Value> = results.iter().filter(|result| result["ok"] != true).collect();
    assert!(failed.is_empty() && report["ok"] == true, "{path}: {failed:#?}\n{}", node.output());
    assert!(results.len() >= at_least, "{report:#}");
}

#[tokio::test]
async fn postgres_drivers_work_unmodified() {
    let Some(postgres) = postgres() else { return };
    let project = fixture(postgres.port, NOWHERE).await;
    let node = project.dev(&[]).await;
    // The second time on connections that were used.
    for _ in 0..2 {
        check(&node, "/check/binding", 3).await;
        check(&node, "/check/pg", 13).await;
        check(&node, "/check/postgres", 8).await;
        check(&node, "/check/drizzle-pg", 7).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn mysql_drivers_work_unmodified() {
    let Some(mariadb) = mariadb() else { return };
    let project = fixture(NOWHERE, mariadb.port).await;
    let node = project.dev(&[]).await;
    for _ in 0..2 {
        check(&node, "/check/mysql2", 9).await;
        check(&node, "/check/drizzle-mysql", 5).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn prisma_works_unmodified_on_both_databases() {
    let (postgres, mariadb) = (postgres(), mariadb());
    let ports = (postgres.as_ref().map(|it| it.port), mariadb.as_ref().map(|it| it.port));
    if ports == (None, None) {
        return;
    }
    let schemas = ["prisma/postgres.prisma", "prisma/mysql.prisma"];
    let project = with_prisma("fixtures/workers/hyperdrive-prisma", &schemas).await;
    let databases = [("127.0.0.1:5432", ports.0), ("127.0.0.1:3306", ports.1)];
    move_to(&project, &databases.map(|(address, port)| (address, port.unwrap_or(NOWHERE))));
    let node = project.dev(&[]).await;
    for _ in 0..2 {
        for (path, _) in [("/check/postgres", ports.0), ("/check/mysql", ports.1)]
            .iter()
            .filter(|(_, port)| port.is_some())
        {
            check(&node, path, 26).await;
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn the_example_shows_hits_and_misses_of_a_database_of_ones_own() {
    let Some(postgres) = postgres() else { return };
    let schema = crate::support::repository().join("examples/hyperdrive/schema.sql");
    postgres.psql(DATABASE, &std::fs::read_to_string(schema).unwrap()).unwrap();
    let project = Project::copy("examples/hyperdrive");
    let config = project.read("wrangler.jsonc").replace("shop:shop@", "app:pw@");
    project.write("wrangler.jsonc", &config);
    move_to(&project, &[("127.0.0.1:5432", postgres.port)]);
    let node = project.dev(&[]).await;
    check(&node, "/check", 5).await;
    let page = async || node.get("/").await.text();
    assert!(page().await.contains("(a miss)"));
    let mut pages = 1;
    while !page().await.contains("(a hit)") {
        pages += 1;
        assert!(pages < 100, "nothing was ever cached");
    }
    assert_eq!(node.post("/order?product=1", "").await.status, 303);
    assert!(page().await.contains("<td>teapot<td>29.00<td>11<td>"));

    // A change of the Worker's code costs neither connections nor answers.
    let before = backends(&postgres);
    project.write("src/shop.ts", &format!("{}\n", project.read("src/shop.ts")));
    let mut node = node;
    node.said("Reloaded").await;
    assert!(backends(&postgres).is_superset(&before), "connections were opened anew");
    let text = node.get("/").await.text();
    assert!(text.contains("(a hit)"), "{text}\n{}", node.output());
    node.stop().await;
}
