use super::scenario::{reach, state};
use super::*;
use crate::model::status::Status;
use std::collections::HashSet;

pub(in crate::demo) fn plan(scenario: Scenario) -> Plan {
    Plan {
        cluster: 0,
        clusters: 2,
        nodes: 100,
        real: 0,
        first: 0,
        block: 77,
        port: 10_105,
        checks: 50,
        scenario,
        seed: 1,
        epoch: "2026-11-24T03:00:00Z".parse().unwrap(),
    }
}

/// Counts the statuses other than OK of a fleet.
fn bad(plan: &Plan, at: i64) -> usize {
    let fleet = Fleet::new(plan.clone());
    let nodes = fleet.nodes().iter();
    nodes
        .flat_map(|node| fleet.checks(node.role).into_iter().map(move |check| (node, check)))
        .filter(|(node, check)| state(plan, node, check, at).status != Status::Ok)
        .count()
}

#[test]
fn names_and_addresses_are_unique_over_all_clusters() {
    let mut seen = HashSet::new();
    let mut first = 0;
    for cluster in 0..4 {
        let fleet = Fleet::new(Plan { cluster, nodes: 5000, first, ..plan(Scenario::Quiet) });
        for node in fleet.nodes() {
            assert!(seen.insert(node.name.clone()), "{} twice", node.name);
            assert_eq!(fleet.node_at(node.address), Some(node));
        }
        first += 5000;
    }
}

#[test]
fn a_small_fleet_has_several_racks_and_roles() {
    let fleet = Fleet::new(Plan { nodes: 16, ..plan(Scenario::Rack) });
    let racks: HashSet<_> = fleet.nodes().iter().map(|node| &node.rack).collect();
    let roles: HashSet<_> = fleet.nodes().iter().map(|node| node.role).collect();
    assert_eq!((racks.len(), roles.len()), (4, 3));
    assert_eq!(fleet.nodes()[0].name, "hv-0001.r101.east");
}

#[test]
fn every_role_has_as_many_checks_as_asked_for_and_no_name_twice() {
    let fleet = Fleet::new(Plan { checks: 60, ..plan(Scenario::Quiet) });
    for role in [Role::Hypervisor, Role::Storage, Role::Kubernetes, Role::Control] {
        let checks = fleet.checks(role);
        let names: HashSet<_> = checks.iter().map(|check| &check.name).collect();
        assert_eq!((checks.len(), names.len()), (60, 60));
    }
}

#[test]
fn the_disks_of_one_rack_fill_and_only_there() {
    let plan = plan(Scenario::Rack);
    let fleet = Fleet::new(plan.clone());
    let broken: Vec<_> = fleet.nodes().iter().filter(|node| node.rack_index == plan.broken_rack()).collect();
    let var =
        fleet.checks(Role::Hypervisor).into_iter().find(|check| check.name == "check_disk_var").unwrap();
    let status = |node: &Node, at| state(&plan, node, &var, at).status;
    assert_eq!(status(broken[0], 10), Status::Warn);
    assert_eq!(status(broken[0], 60), Status::Crit);
    assert!(broken.iter().all(|node| status(node, 600) == Status::Crit));
    let usual = bad(&Plan { scenario: Scenario::Quiet, ..plan.clone() }, 600);
    // The disk, the journal and libvirtd of each node, and the noise that a quiet fleet lacks.
    assert!((usual + 3 * broken.len()..usual + 4 * broken.len() + 10).contains(&bad(&plan, 600)));
}

#[test]
fn a_rack_without_power_goes_silent() {
    let plan = plan(Scenario::Power);
    let silent = |at| {
        let fleet = Fleet::new(plan.clone());
        fleet.nodes().iter().filter(|node| reach(&plan, node, at) == Reach::Silent).count()
    };
    assert_eq!((silent(0), silent(60)), (0, 10));
}

#[test]
fn a_storm_hits_two_nodes_in_five() {
    let plan = plan(Scenario::Storm);
    let (before, after) = (bad(&plan, 0), bad(&plan, 90));
    assert!(before < 30, "{before}");
    assert!((before + 150..before + 260).contains(&after), "{after}");
}

#[test]
fn a_state_depends_on_nothing_but_its_arguments() {
    assert_eq!(bad(&plan(Scenario::Storm), 45), bad(&plan(Scenario::Storm), 45));
    assert_ne!(bad(&plan(Scenario::Storm), 45), bad(&Plan { seed: 2, ..plan(Scenario::Storm) }, 45));
}

#[test]
fn real_nodes_are_the_same_in_every_scenario_and_none_picks_on_them() {
    for (nodes, wanted) in [(2, 0), (10, 1), (16, 3), (100, 3)] {
        let mut seen = HashSet::new();
        for scenario in Scenario::ALL {
            for cluster in 0..2 {
                let plan = Plan { nodes, cluster, real: 3, ..plan(scenario) };
                let fleet = Fleet::new(plan.clone());
                for node in fleet.real_nodes() {
                    seen.insert(node.name.clone());
                    let fills = scenario::disk_fills(&plan, node) || scenario::runner_is_stale(&plan, node);
                    assert!(
                        !fills && reach(&plan, node, 600) == Reach::Answers,
                        "{scenario:?}: {}",
                        node.name
                    );
                }
                assert!(
                    !fleet.nodes().last().unwrap().real,
                    "whether the simulated ones are ready is seen by it"
                );
            }
        }
        assert_eq!(seen.len(), 2 * wanted, "{seen:?}");
    }
}

#[test]
fn a_plan_survives_the_way_to_the_process_of_the_nodes() {
    let plan = plan(Scenario::Mixed);
    assert_eq!(serde_json::from_str::<Plan>(&plan.to_args()[0]).unwrap(), plan);
}
