use super::{Next, Timetable};
use crate::model::time::Timestamp;
use crate::sensu::cron::Cron;
use crate::sensu::schedule::Timing;
use crate::sys::clock::{self, Moment};
use chrono::{Local, NaiveDateTime, TimeZone as _};
use std::time::Duration;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A node whose clocks are ours.
struct Node {
    table: Timetable,
    now: Moment,
    /// By how many millionths the wall clock goes faster than the steady one.
    fast: i64,
}

fn interval(seconds: u64) -> Timing {
    Timing::Interval(Duration::from_secs(seconds))
}

fn cron(line: &str) -> Timing {
    Timing::Cron(Box::new(Cron::parse(line).expect("a cron line")))
}

/// A time of the machine's own zone; no zone changes its clocks around it.
fn local(text: &str) -> Timestamp {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time");
    Local.from_local_datetime(&naive).earliest().expect("a time that exists").to_utc()
}

impl Node {
    fn begun_at(wall: &str, timings: Vec<Timing>) -> Self {
        let now = Moment { wall: local(wall), steady: clock::instant() };
        let checks = timings.into_iter().enumerate().map(|(place, timing)| (place, "check", timing));
        Self { table: Timetable::begun_at(now, checks.collect(), "n1"), now, fast: 0 }
    }

    fn pass(&mut self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).expect("a while");
        self.now = self.now.after(time);
        self.now.wall += chrono::Duration::microseconds(micros * self.fast / 1_000_000);
    }

    /// Lets so much time pass and returns what fired, with the wall clock's time.
    fn go_on(&mut self, time: Duration) -> Vec<(usize, Timestamp)> {
        let end = self.now.steady + time;
        let mut fired = Vec::new();
        loop {
            let until = match self.table.next(self.now) {
                Next::Fire(due) => {
                    fired.push((due.check, self.now.wall));
                    continue;
                }
                Next::Wait(until) => until.min(end),
                Next::Nothing => end,
            };
            if until >= end {
                self.pass(end - self.now.steady);
                return fired;
            }
            self.pass(until - self.now.steady);
        }
    }

    /// Sets the wall clock ahead, or back.
    fn jump(&mut self, seconds: i64) {
        self.now.wall += chrono::Duration::seconds(seconds);
    }

    fn wall(&self) -> String {
        self.now.wall.with_timezone(&Local).format("%F %T").to_string()
    }
}

fn clocks(fired: &[(usize, Timestamp)]) -> Vec<String> {
    fired.iter().map(|(_, at)| at.with_timezone(&Local).format("%T").to_string()).collect()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[test]
fn intervals_keep_their_beat_whatever_the_wall_clock_does() {
    for jump in [-400 * DAY, -3 * HOUR, -5, 5, 3 * HOUR, 400 * DAY] {
        let mut node = Node::begun_at("2026-06-16 10:00:00", vec![interval(10)]);
        let first = node.go_on(Duration::from_secs(10));
        assert_eq!(first.len(), 1);
        node.jump(jump);
        assert_eq!(node.go_on(minutes(10)).len(), 60, "{jump}");
        node.jump(-jump);
        assert_eq!(node.go_on(minutes(10)).len(), 60, "{jump}");
    }
}

#[test]
fn cron_lines_follow_a_clock_that_is_set_back_or_ahead() {
    let mut node = Node::begun_at("2026-06-16 10:01:00", vec![cron("*/5 * * * *")]);
    assert_eq!(clocks(&node.go_on(minutes(5))), ["10:05:00"]);
    node.jump(-2 * HOUR);
    // It does not wait for two hours.
    assert_eq!(clocks(&node.go_on(minutes(10))), ["08:10:00", "08:15:00"], "{}", node.wall());
    node.jump(DAY + HOUR);
    // One time, and not each that was jumped over; it is seen within a look.
    let fired = node.go_on(minutes(10));
    assert_eq!(fired.len(), 3, "{:?}", clocks(&fired));
    assert_eq!(clocks(&fired)[1..], ["09:20:00", "09:25:00"]);
    assert!(fired[0].1 - (node.now.wall - chrono::Duration::minutes(10)) <= chrono::Duration::seconds(20));
}

#[test]
fn a_daily_line_whose_time_is_jumped_over_fires_once_and_late() {
    let mut node = Node::begun_at("2026-06-16 02:50:00", vec![cron("0 3 * * *")]);
    node.jump(20 * 60);
    let fired = node.go_on(minutes(60));
    assert_eq!(fired.len(), 1);
    assert!(clocks(&fired)[0].starts_with("03:10:"), "{:?}", clocks(&fired));
    // The next one is tomorrow's.
    assert_eq!(clocks(&node.go_on(minutes(24 * 60))), ["03:00:00"]);
}

#[test]
fn a_clock_that_is_set_back_by_moments_brings_no_time_again() {
    let mut node = Node::begun_at("2026-06-16 02:59:00", vec![cron("0 3 * * *")]);
    assert_eq!(clocks(&node.go_on(Duration::from_secs(65))), ["03:00:00"]);
    node.jump(-30);
    assert!(node.go_on(minutes(60)).is_empty(), "{}", node.wall());
    assert_eq!(clocks(&node.go_on(minutes(24 * 60))), ["03:00:00"]);
}

/// Over a day a clock that is slewed by 500 millionths, the most that NTP does, goes wrong by 43 seconds.
#[test]
fn a_clock_that_is_slewed_makes_no_line_fire_early_or_twice() {
    for fast in [-500, 500] {
        let mut node = Node::begun_at("2026-06-16 12:00:00", vec![cron("0 3 * * *")]);
        node.fast = fast;
        let fired = node.go_on(Duration::from_secs(5 * 86_400));
        assert_eq!(fired.len(), 5, "{fast}: {:?}", clocks(&fired));
        assert!(clocks(&fired).iter().all(|at| at.starts_with("03:00:0")), "{fast}: {:?}", clocks(&fired));
    }
}

/// `0 0 31 2 *` is how people write "never".
#[test]
fn a_line_that_never_comes_true_never_fires() {
    let mut node = Node::begun_at("2026-06-16 12:00:00", vec![cron("0 0 31 2 *"), cron("0 3 * * *")]);
    let fired = node.go_on(Duration::from_secs(5 * 86_400));
    assert_eq!(fired.iter().map(|(check, _)| *check).collect::<Vec<_>>(), [1; 5]);
    node.jump(2 * HOUR);
    assert_eq!(node.go_on(Duration::from_secs(86_400)).len(), 1);
}

#[test]
fn many_checks_share_one_timetable() {
    let timings = (0..500).map(|_| interval(10)).chain([cron("* * * * *")]).collect();
    let mut node = Node::begun_at("2026-06-16 12:00:30", timings);
    let fired = node.go_on(minutes(10));
    for check in 0..500 {
        let runs = fired.iter().filter(|(fired, _)| *fired == check).count();
        assert!((60..=61).contains(&runs), "{check}: {runs}");
    }
    assert_eq!(fired.iter().filter(|(check, _)| *check == 500).count(), 10);
}
