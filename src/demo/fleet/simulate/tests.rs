use super::super::Scenario;
use super::super::tests::plan;
use super::*;

fn simulation(scenario: Scenario) -> Simulation {
    let fleet = Fleet::new(plan(scenario));
    let roles = [Role::Hypervisor, Role::Storage, Role::Kubernetes, Role::Control];
    let checks = roles.into_iter().map(|role| (role, fleet.checks(role))).collect();
    Simulation { fleet, checks, pages: Mutex::default() }
}

#[test]
fn healthy_nodes_share_one_page() {
    let simulation = simulation(Scenario::Quiet);
    for node in simulation.fleet.nodes() {
        simulation.page(node, 100);
    }
    let pages = simulation.pages.lock().unwrap().len();
    assert!(pages < 20, "{pages} pages for 100 nodes");
}

#[test]
fn a_page_has_one_series_per_check() {
    let simulation = simulation(Scenario::Quiet);
    let page = simulation.page(&simulation.fleet.nodes()[0], 100);
    let page = std::str::from_utf8(&page).unwrap();
    assert_eq!(page.matches("iaasmon_check_status{").count(), 50);
    assert!(page.contains("iaasmon_check_status{check=\"check_cert_expiry\"} 1\n"), "{page}");
}

#[test]
fn the_detail_agrees_with_the_metric_and_its_times_are_in_order() {
    let simulation = simulation(Scenario::Mixed);
    for node in simulation.fleet.nodes() {
        for check in simulation.checks(node) {
            let detail = simulation.detail(node, check, 200);
            let (_, state) = simulation.last_run(node, check, 200);
            assert_eq!(detail["status"], state.status.value());
            assert!(detail["status_since"].as_str() <= detail["executed"].as_str(), "{detail}");
            assert!(detail["occurrences"].as_i64() >= Some(1), "{detail}");
            assert!(!detail["output"].as_str().unwrap().is_empty(), "{detail}");
        }
    }
}

#[test]
fn outputs_are_as_foreign_as_real_ones() {
    let simulation = simulation(Scenario::Rack);
    let outputs: Vec<String> = (simulation.fleet.nodes().iter())
        .flat_map(|node| simulation.checks(node).iter().map(move |check| (node, check)))
        .map(|(node, check)| simulation.detail(node, check, 400)["output"].as_str().unwrap().to_owned())
        .collect();
    assert!(outputs.iter().any(|text| text.contains('\u{1b}')), "no colours");
    assert!(outputs.iter().any(|text| text.contains("センサー")), "no Japanese");
    assert!(outputs.iter().any(|text| text.lines().count() > 15), "nothing of several screens");
    assert!(outputs.iter().any(|text| text.contains("No space left on device")), "no full disk");
}
