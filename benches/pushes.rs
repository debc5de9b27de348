//! A load of pushes for `scripts/bench pushgateway`: so many connections, each with one push after the other.
//!
//! `pushes ADDRESS CONNECTIONS SECONDS [FIRST [GROUPS]]`: each connection pushes groups of its own, from number FIRST on, in turn;
//! with 0 seconds every group once. Prints pushes a second, the median and the 99th percentile of their times in milliseconds, and
//! how many were refused. Without an address, as `cargo bench` calls it, it does nothing.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a job pushes: fifty metrics.
const METRICS: usize = 50;

#[expect(clippy::print_stdout, reason = "what it measured is its output")]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(address) = args.first().cloned() else { return };
    let number = |place: usize, default: usize| {
        args.get(place)
            .map_or(default, |arg| arg.parse().expect("ADDRESS CONNECTIONS SECONDS [FIRST [GROUPS]]"))
    };
    let (connections, seconds, first) = (number(1, 1), number(2, 5), number(3, 0));
    let groups = number(4, connections);
    let begun = now();
    let until = (seconds > 0).then(|| begun + Duration::from_secs(seconds as u64));
    let threads: Vec<_> = (0..connections)
        .map(|one| {
            let address = address.clone();
            std::thread::spawn(move || {
                let own: Vec<usize> = (one..groups).step_by(connections).map(|group| first + group).collect();
                push(&address, &own, until)
            })
        })
        .collect();
    let (mut times, mut refused) = (Vec::new(), 0);
    for thread in threads {
        let (took, bad) = thread.join().expect("a connection that holds");
        times.extend(took);
        refused += bad;
    }
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let millis = |share: f64| {
        let place = ((times.len() as f64 - 1.0) * share) as usize;
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    println!("{rate:.1} {:.3} {:.3} {refused}", millis(0.5), millis(0.99));
}

#[expect(clippy::disallowed_methods, reason = "a clock is what is measured with")]
fn now() -> Instant {
    Instant::now()
}

/// Pushes groups in turn, and returns how long each push took and how many were refused.
fn push(address: &str, groups: &[usize], until: Option<Instant>) -> (Vec<Duration>, usize) {
    let mut stream = TcpStream::connect(address).expect("a gateway that listens");
    stream.set_nodelay(true).expect("a socket");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    let (mut times, mut refused) = (Vec::new(), 0);
    for round in 0.. {
        for group in groups {
            let request = request(address, *group, round);
            let begun = now();
            stream.write_all(request.as_bytes()).expect("a connection that holds");
            refused += usize::from(!matches!(answer(&mut answers), 200 | 202));
            times.push(begun.elapsed());
            if until.is_some_and(|until| now() >= until) {
                return (times, refused);
            }
        }
        if until.is_none() || groups.is_empty() {
            break;
        }
    }
    (times, refused)
}

fn request(address: &str, group: usize, round: usize) -> String {
    let mut body = String::new();
    for metric in 0..METRICS {
        let value = (group * 31 + metric * 7 + round) % 1000;
        let _ = writeln!(
            body,
            "# TYPE batch_metric_{metric:02} gauge\nbatch_metric_{metric:02}{{stage=\"load\"}} {value}.5"
        );
    }
    format!(
        "PUT /metrics/job/batch/instance/host-{group:05}.example.com HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads an answer and returns its code.
fn answer(answers: &mut BufReader<TcpStream>) -> u16 {
    let (mut line, mut code, mut length) = (String::new(), 0, 0);
    loop {
        line.clear();
        if answers.read_line(&mut line).expect("a connection that holds") == 0 {
            panic!("the gateway hung up");
        }
        let head = line.trim_end().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if let Some(rest) = head.strip_prefix("http/1.1 ") {
            code = rest[..3].parse().expect("a code");
        } else if let Some(rest) = head.strip_prefix("content-length:") {
            length = rest.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).expect("a connection that holds");
    code
}
