use super::super::Scenario;
use super::super::tests::plan;
use super::*;

fn all_checks(simulation: &Simulation) -> impl Iterator<Item = (&Node, &Check)> {
    let nodes = simulation.fleet.nodes().iter();
    nodes.flat_map(|node| simulation.checks(node).iter().map(move |check| (node, check)))
}

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
fn the_statuses_of_a_detail_are_those_of_its_history_and_agree_with_its_numbers() {
    for (scenario, at) in
        [(Scenario::Mixed, 45), (Scenario::Rack, 200), (Scenario::Storm, 90), (Scenario::Mixed, 4000)]
    {
        let simulation = simulation(scenario);
        let mut bad = 0;
        for (node, check) in all_checks(&simulation) {
            let detail = simulation.detail(node, check, at);
            // Of those that are well a few will do.
            if detail["status"] == 0 && node.index % 20 != 0 {
                continue;
            }
            let statuses: Vec<_> = detail["history"].as_array().unwrap().iter().rev().collect();
            let runs = simulation.history(node, check, at, STATUSES as usize);
            let runs: Vec<_> = runs["runs"].as_array().unwrap().iter().collect();
            assert_eq!(statuses, runs.iter().map(|run| &run["status"]).collect::<Vec<_>>());
            let same = statuses.iter().take_while(|status| **status == statuses[0]).count() as i64;
            assert_eq!(same, detail["occurrences"].as_i64().unwrap().min(STATUSES), "{detail}");
            let well = runs.iter().find(|run| run["status"] == 0);
            assert!(well.is_none_or(|run| run["executed"] == detail["last_ok"]), "{detail}");
            bad += usize::from(*statuses[0] != 0);
        }
        assert!(bad > 5, "{scenario:?}: {bad}");
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

#[test]
fn a_history_goes_on_where_the_detail_ends_and_is_the_same_whenever_it_is_asked() {
    use crate::wire::detail::decode_history;
    let simulation = simulation(Scenario::Rack);
    let filling = |node: &&Node| super::super::scenario::disk_fills(simulation.fleet.plan(), node);
    let node = simulation.fleet.nodes().iter().find(filling).unwrap();
    let check = simulation.checks(node).iter().find(|check| check.name == "check_disk_var").unwrap();
    let read = |at| {
        let body = simulation.history(node, check, at, 120).to_string();
        decode_history("x", body.as_bytes()).unwrap()
    };
    let (history, detail) = (read(900), simulation.detail(node, check, 900));
    assert_eq!(history.runs.len(), 120);
    assert_eq!(detail["executed"], json!(crate::model::time::rfc3339(history.runs[0].executed.unwrap())));
    let good = history.last_ok(history.runs[0].executed).unwrap();
    assert!(good > 0, "it was well before the disk filled up");
    for (at, pair) in history.runs.windows(2).enumerate() {
        assert!(pair[0].executed > pair[1].executed);
        assert!(pair[0].status == pair[1].status || pair[0].output.is_some(), "run {at}");
    }
    let kept = history.runs.iter().filter(|run| run.output.is_some()).count();
    assert!((3..40).contains(&kept), "{kept} of 120 outputs are kept");
    let later = read(900 + 5 * i64::from(check.interval));
    assert_eq!(later.runs[5..], history.runs[..115]);
}
