//! A screen over 20,000 nodes and 50,000 alerts: taking an answer in, one key press, one frame.

#[path = "screen/fleet.rs"]
mod fleet;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fleet::{answer_of_alerts, full_state};
use iaasmon::tui::msg::Msg;
use iaasmon::tui::state::State;
use iaasmon::tui::theme::Theme;
use iaasmon::tui::update::update;
use iaasmon::tui::view::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};

const SIZES: [(u16, u16); 2] = [(80, 24), (200, 60)];

fn press(state: &mut State, key: char) {
    update(state, Msg::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
}

/// What happens between a key and the last cell of its frame.
fn key_to_frame(
    state: &mut State,
    theme: &Theme,
    terminal: &mut Terminal<TestBackend>,
    key: char,
) -> Duration {
    let started = now();
    press(state, key);
    terminal.draw(|frame| draw(state, theme, frame)).expect("a test backend takes everything");
    started.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

fn frames(criterion: &mut Criterion) {
    let theme = Theme::mono();
    let mut group = criterion.benchmark_group("20,000 nodes and 50,000 alerts");
    group.sample_size(20);
    for (columns, rows) in SIZES {
        for (screen, tab) in [("overview", '1'), ("alerts", '2'), ("nodes", '3')] {
            let mut state = full_state((columns, rows));
            press(&mut state, tab);
            let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test backend");
            let name = format!("key to frame p99, {screen} {columns}x{rows}");
            group.bench_function(&name, |b| {
                b.iter_custom(|rounds| (0..rounds).map(|_| p99(&mut state, &theme, &mut terminal)).sum());
            });
        }
    }
    let mut state = full_state((200, 60));
    press(&mut state, '2');
    press(&mut state, '/');
    group.bench_function("one key of a filter over all alerts", |b| {
        b.iter(|| {
            press(&mut state, 's');
            update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE)));
        });
    });
    group.bench_function("taking in one of four clusters' alerts", |b| {
        let mut state = full_state((200, 60));
        b.iter_batched(|| answer_of_alerts(0), |msg| update(&mut state, msg), BatchSize::LargeInput);
    });
    group.finish();
}

/// The 99th percentile of a hundred keys: moving down, page by page at times, and back.
fn p99(state: &mut State, theme: &Theme, terminal: &mut Terminal<TestBackend>) -> Duration {
    let keys = "jjjjjjjGkkkkkkkg".chars().cycle().take(100);
    let mut times: Vec<Duration> = keys.map(|key| key_to_frame(state, theme, terminal, key)).collect();
    times.sort();
    times[98]
}

criterion_group!(benches, frames);
criterion_main!(benches);
