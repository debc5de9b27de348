//! A screen over 20,000 nodes and 50,000 alerts: taking an answer in, one key press, one frame.

#[path = "screen/fleet.rs"]
mod fleet;
#[path = "screen/storm.rs"]
mod storm;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fleet::{answer_of_alerts, full_state};
use iaasmon::tui::msg::{Effect, Msg};
use iaasmon::tui::state::State;
use iaasmon::tui::theme::Theme;
use iaasmon::tui::update::update;
use iaasmon::tui::view::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};
use storm::{facts, one_group};

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
    for (what, keys) in [("silenced", ""), ("marked", " ")] {
        let mut state = one_group((200, 60));
        keys.chars().for_each(|key| press(&mut state, key));
        let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a test backend");
        group.bench_function(format!("key to frame p99, a {what} group of 20,000"), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| p99(&mut state, &theme, &mut terminal)).sum());
        });
    }
    let (mut state, mut terminal) = editor();
    group.bench_function("key to frame, a matcher in the silence editor", |b| {
        b.iter(|| key_to_frame(&mut state, &theme, &mut terminal, 's'));
    });
    group.bench_function("taking in one of four clusters' alerts", |b| {
        let mut state = full_state((200, 60));
        b.iter_batched(|| answer_of_alerts(0), |msg| update(&mut state, msg), BatchSize::LargeInput);
    });
    group.finish();
}

/// The silence editor once every cluster has answered, with 500 silences.
fn editor() -> (State, Terminal<TestBackend>) {
    let mut state = full_state((200, 60));
    press(&mut state, '4');
    press(&mut state, 'n');
    "alertname=~\"Check.*\",check=".chars().for_each(|key| press(&mut state, key));
    let token = state.editor.as_ref().expect("the editor is open").token;
    let told = (0..fleet::CLUSTERS).flat_map(|cluster| {
        let facts = Box::new(facts(cluster));
        update(&mut state, Msg::Facts { cluster, token, facts })
    });
    let searches: Vec<Effect> = told.collect();
    for effect in searches {
        if let Effect::Preview { search, .. } = effect {
            let (token, round) = (search.token, search.round);
            update(&mut state, Msg::Previewed { token, round, preview: Box::new(search.preview()) });
        }
    }
    (state, Terminal::new(TestBackend::new(200, 60)).expect("a test backend"))
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
