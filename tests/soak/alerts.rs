//! Alerts through two proxies whose members and they themselves are killed, stopped and started: afterwards every member has
//! what fires and nothing that ended, and no sender waited too long.

use crate::proxy_world::{Am, Node, Proxy, Says, firing, resolved};
use crate::support::service::{Answer, Place};
use crate::support::{SOON, await_until, get_json};
use crate::{below, run};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use proptest::test_runner::TestRng;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const ALERTS: usize = 20;
/// What happens in a round.
const STEPS: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    Asleep,
    Dead,
}

/// Everything of a round.
struct World {
    ams: [(Am, State); 2],
    proxies: [Option<Proxy>; 2],
    node: Node,
    fires: BTreeSet<usize>,
    posts: usize,
}

#[test]
fn soak_live_alerts_pass_whatever_dies_on_the_way() {
    run("alerts through proxies while members and proxies die", 1, one_round);
}

fn one_round(random: &mut TestRng) -> usize {
    let ams = [(); 2].map(|()| (Am::start(), State::Well));
    let node = Node::start(Says::Output("CRIT: words\n"));
    let proxies = [(); 2].map(|()| Some(Proxy::start(&[&ams[0].0, &ams[1].0], &[])));
    let mut world = World { ams, proxies, node, fires: BTreeSet::new(), posts: 0 };
    for _ in 0..STEPS {
        match below(random, 8) {
            0 => world.harm_member(random),
            1 => world.kill_proxy(below(random, 2)),
            // Some take it or none: both is well before the end.
            2 => drop(world.resend()),
            _ => world.change(random),
        }
    }
    world.heal();
    world.assert_all_is_told();
    world.posts
}

impl World {
    /// Some alerts begin, some end, and both proxies are told as a Prometheus tells them.
    fn change(&mut self, random: &mut TestRng) {
        let changed: BTreeSet<usize> = (0..=below(random, 5)).map(|_| below(random, ALERTS)).collect();
        for number in &changed {
            if !self.fires.remove(number) {
                self.fires.insert(*number);
            }
        }
        let _ = self.post(&changed);
    }

    fn resend(&mut self) -> bool {
        self.post(&(0..ALERTS).collect())
    }

    /// Sends what is so of these alerts to both proxies; returns whether both took it.
    fn post(&mut self, numbers: &BTreeSet<usize>) -> bool {
        let alert = |number: &usize| match self.fires.contains(number) {
            true => firing(&format!("a{number}"), &self.node),
            false => resolved(&format!("a{number}"), &self.node),
        };
        let body = Value::Array(numbers.iter().map(alert).collect()).to_string();
        let request = format!(
            "POST /api/v2/alerts HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut all = true;
        for proxy in self.proxies.iter().flatten() {
            let begun = clock::instant();
            let answer: Option<Answer> = proxy.place.send(request.as_bytes());
            let took = begun.elapsed();
            assert!(took < Duration::from_millis(6_500), "a sender waited for {took:?}");
            let code = answer.map(|answer| answer.code);
            assert!(matches!(code, Some(200 | 503 | 504)), "{code:?}: {}", proxy.place.said());
            all &= code == Some(200);
            self.posts += 1;
        }
        all
    }

    fn harm_member(&mut self, random: &mut TestRng) {
        let (am, state) = &mut self.ams[below(random, 2)];
        *state = match (*state, below(random, 2)) {
            (State::Well, 0) => {
                am.end();
                State::Dead
            }
            (State::Well, _) => {
                am.signal(Signal::SIGSTOP);
                State::Asleep
            }
            (State::Asleep, _) => {
                am.signal(Signal::SIGCONT);
                State::Well
            }
            (State::Dead, _) => {
                am.run();
                State::Well
            }
        };
    }

    fn kill_proxy(&mut self, which: usize) {
        let Some(mut proxy) = self.proxies[which].take() else { return };
        proxy.running.end(Signal::SIGKILL);
        let place: Place = proxy.place;
        self.proxies[which] = Some(Proxy::start_at(place, &[&self.ams[0].0, &self.ams[1].0], &[]));
    }

    fn heal(&mut self) {
        for (am, state) in &mut self.ams {
            match state {
                State::Well => {}
                State::Asleep => am.signal(Signal::SIGCONT),
                State::Dead => am.run(),
            }
            *state = State::Well;
        }
        // Each minute a Prometheus sends everything again; here it is a moment.
        assert!(await_until(SOON, || self.resend()), "nobody takes what is sent again");
    }

    fn assert_all_is_told(&self) {
        let wanted: BTreeSet<String> = self.fires.iter().map(|number| format!("a{number}")).collect();
        for (am, _) in &self.ams {
            let active = || -> BTreeSet<String> {
                let alerts = get_json(&format!("{}/api/v2/alerts", am.url())).unwrap_or_default();
                let names = alerts.as_array().into_iter().flatten();
                names.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
            };
            assert!(await_until(SOON, || active() == wanted), "{:?} and not {wanted:?}", active());
            for proxy in self.proxies.iter().flatten() {
                assert!(await_until(SOON, || proxy.ledger("queue_length", am) == 0.0));
                proxy.assert_balance(am);
            }
            // What may come late was told once more; it stays as it is.
            assert_eq!(active(), wanted);
            for name in &wanted {
                am.await_annotation(name, "check_output", "CRIT: words");
            }
        }
    }
}
