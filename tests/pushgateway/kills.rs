//! Kills in the middle of everything: what was acknowledged is there afterwards, and nothing by half.

use super::gate_world::{Gate, request};
use nix::sys::signal::Signal;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A client pushes to so many groups in turn.
const GROUPS: usize = 4;
/// One push writes its number into all of them.
const METRICS: [&str; 5] = ["first", "second_total", "third", "fourth", "fifth"];

/// What the metrics of a group may be, or its check: by the last push or deletion that was acknowledged, and by one that was not.
#[derive(Debug, Clone, Default)]
struct Known {
    sure: Option<u64>,
    open: Option<Option<u64>>,
}

/// Who pushes by one connection, until it breaks.
struct Client {
    name: usize,
    next: u64,
    groups: [Known; GROUPS],
    checks: [Known; GROUPS],
}

/// What is done to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Push,
    Check,
    Delete,
}

impl Known {
    /// It may be so from now on.
    fn open(&mut self, wanted: Option<u64>) {
        self.open = Some(wanted);
    }

    /// It is so.
    fn settle(&mut self) {
        self.sure = self.open.take().unwrap_or(self.sure);
    }

    fn assert(&mut self, of: &str, found: Option<u64>) {
        assert!(found == self.sure || self.open == Some(found), "{of}: {self:?}, and there is {found:?}");
        *self = Self { sure: found, open: None };
    }
}

/// A gateway that is killed again and again, and what is known of it.
pub struct Victim {
    gate: Option<Gate>,
    clients: Vec<Client>,
    args: &'static [&'static str],
}

fn below(random: &mut TestRng, end: usize) -> usize {
    (random.next_u64() % end as u64) as usize
}

impl Victim {
    pub fn start(clients: usize, args: &'static [&'static str]) -> Self {
        let nothing = || std::array::from_fn(|_| Known::default());
        let client = |name| Client { name, next: 1, groups: nothing(), checks: nothing() };
        Self { gate: Some(Gate::kept(args)), clients: (0..clients).map(client).collect(), args }
    }

    /// Lets all push, kills it after some pushes, starts it again, and looks at what is there. Returns how much was acknowledged.
    pub fn round(&mut self, random: &mut TestRng) -> usize {
        let (done, kill_after) = (AtomicUsize::new(0), 1 + below(random, 400));
        let gate = self.gate.take().unwrap();
        std::thread::scope(|scope| {
            for client in &mut self.clients {
                let (seed, done, address) = (random.next_u64(), &done, gate.place.address.clone());
                scope.spawn(move || client.push(&address, seed, done));
            }
            let reached = super::support::await_until(super::support::SOON, || {
                done.load(Ordering::Relaxed) >= kill_after
            });
            gate.running.signal(Signal::SIGKILL);
            assert!(reached, "nothing is acknowledged any more: {}", gate.place.said());
        });
        let gate = gate.again(Signal::SIGKILL, self.args);
        let page = gate.page();
        let (there, checks) = (groups(&page, &METRICS), groups(&page, &["iaasmon_check_status"]));
        for client in &mut self.clients {
            client.check(&there, &checks);
        }
        // A group and its checks are one commit.
        let said = gate.place.said();
        assert!(!said.contains("are let go") && !said.contains("damaged"), "{said}");
        self.gate = Some(gate);
        done.into_inner()
    }
}

impl Client {
    fn push(&mut self, address: &str, seed: u64, done: &AtomicUsize) {
        let Ok(stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut stream = BufReader::new(stream);
        let mut random = seed;
        loop {
            // A multiplier of Knuth's: who is next needs no more.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let group = (random >> 33) as usize % GROUPS;
            let deed = match (random >> 40) % 10 {
                0 => Deed::Delete,
                1..4 => Deed::Check,
                _ => Deed::Push,
            };
            let number = self.next;
            self.next += 1;
            match deed {
                Deed::Push => self.groups[group].open(Some(number)),
                Deed::Check => self.checks[group].open(Some(status(number))),
                Deed::Delete => {
                    self.groups[group].open(None);
                    self.checks[group].open(None);
                }
            }
            let code = ask(&mut stream, &self.request(group, deed, number, random >> 50));
            // No answer: whether it is there is open.
            let Some(code) = code else { return };
            assert!(matches!(code, 200 | 202), "{code}");
            self.groups[group].settle();
            self.checks[group].settle();
            done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn request(&self, group: usize, deed: Deed, number: u64, dice: u64) -> Vec<u8> {
        let path = format!("/job/client{}/group/{group}", self.name);
        let bytes = match deed {
            Deed::Delete => request("DELETE", &format!("/metrics{path}"), &[], b""),
            Deed::Check => {
                let body = format!("{{\"status\":{},\"output\":\"{number}\"}}", status(number));
                request("PUT", &format!("/api/v1/groups{path}/checks/c"), &[], body.as_bytes())
            }
            Deed::Push => {
                let lines: String = METRICS.iter().map(|name| format!("{name} {number}\n")).collect();
                let method = if dice.is_multiple_of(2) { "PUT" } else { "POST" };
                request(method, &format!("/metrics{path}"), &[], lines.as_bytes())
            }
        };
        keep_alive(bytes)
    }

    fn check(&mut self, there: &BTreeMap<String, Vec<u64>>, checks: &BTreeMap<String, Vec<u64>>) {
        for group in 0..GROUPS {
            let name = format!("client{}/{group}", self.name);
            let found = there.get(&name);
            let whole = found.is_none_or(|numbers| *numbers == vec![numbers[0]; METRICS.len()]);
            assert!(whole, "{name}: {found:?}");
            self.groups[group].assert(&name, found.map(|numbers| numbers[0]));
            self.checks[group].assert(&format!("check of {name}"), checks.get(&name).map(|found| found[0]));
        }
    }
}

/// The status that a push of this number brings.
fn status(number: u64) -> u64 {
    number % 3
}

fn keep_alive(request: Vec<u8>) -> Vec<u8> {
    String::from_utf8(request).unwrap().replace("Connection: close\r\n", "").into_bytes()
}

/// Sends a request and returns the status of its answer; none where the connection breaks.
fn ask(stream: &mut BufReader<TcpStream>, request: &[u8]) -> Option<u16> {
    stream.get_mut().write_all(request).ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let code = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = given.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).ok().map(|()| code)
}

/// Returns the numbers of these metrics of each group.
fn groups(page: &str, metrics: &[&str]) -> BTreeMap<String, Vec<u64>> {
    let mut groups = BTreeMap::<String, Vec<u64>>::new();
    for line in page.lines().filter(|line| metrics.iter().any(|name| line.starts_with(&format!("{name}{{"))))
    {
        let value =
            |label: &str| line.split_once(&format!("{label}=\"")).unwrap().1.split('"').next().unwrap();
        let number: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        groups.entry(format!("{}/{}", value("job"), value("group"))).or_default().push(number as u64);
    }
    groups
}
