//! Key scripts: what is typed, and what comes of it.

use super::update;
use crate::config::{self, Config};
use crate::fleet::silence::ConfirmLevel;
use crate::model::time::from_epoch;
use crate::tui::msg::{Effect, Msg};
use crate::tui::state::confirm::{Confirm, Deed};
use crate::tui::state::{Popup, Screen, State};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn state() -> State {
    let mut config = Config::default();
    let mut east = config::Cluster::new("east", &config.defaults);
    east.alertmanager = vec!["http://127.0.0.1:9093".parse().expect("a URL")];
    config.clusters = vec![east];
    State::new(from_epoch(1_795_000_000.0).expect("a time"), (80, 24), &config)
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn asked(state: &mut State, level: ConfirmLevel) {
    let draft = crate::fleet::silence::Draft {
        matchers: Vec::new(),
        starts_at: None,
        ends_at: state.now,
        created_by: "r.ahn".into(),
        comment: "INC-1".into(),
        targets: crate::fleet::silence::Targets::All,
    };
    let preview = crate::fleet::silence::preview::<crate::fleet::silence::Facts>(&draft, &[]);
    state.popup = Popup::Confirm(Box::new(Confirm {
        deed: Deed::Add { draft, preview: preview.into(), facts: Vec::new() },
        title: String::new(),
        lines: Vec::new(),
        command: String::new(),
        level,
        typed: tui_input::Input::default(),
        top: 0,
        armed: false,
        token: state.token,
    }));
}

fn writes(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Write(_)))
}

#[test]
fn a_key_held_down_never_writes() {
    let mut state = state();
    asked(&mut state, ConfirmLevel::Small);
    let first = state.token;
    for _ in 0..50 {
        assert!(!writes(&press(&mut state, KeyCode::Char('y'))));
    }
    update(&mut state, Msg::Armed(first));
    assert!(!writes(&press(&mut state, KeyCode::Char('y'))), "the guard that was restarted is not over");
    let token = state.token;
    update(&mut state, Msg::Armed(token));
    assert!(writes(&press(&mut state, KeyCode::Char('y'))));
    assert_eq!(state.screen(), &Screen::Operation(None));
}

#[test]
fn enter_is_cancel_and_a_broad_silence_needs_its_word() {
    let mut state = state();
    asked(&mut state, ConfirmLevel::Small);
    let token = state.token;
    update(&mut state, Msg::Armed(token));
    assert!(!writes(&press(&mut state, KeyCode::Enter)));
    assert!(matches!(state.popup, Popup::None));

    asked(&mut state, ConfirmLevel::Broad);
    let token = state.token;
    update(&mut state, Msg::Armed(token));
    assert!(!writes(&press(&mut state, KeyCode::Char('y'))));
    press(&mut state, KeyCode::Backspace);
    for c in "broad".chars() {
        assert!(!writes(&press(&mut state, KeyCode::Char(c))));
    }
    assert!(writes(&press(&mut state, KeyCode::Enter)));
}

#[test]
fn q_ends_on_a_root_screen_and_is_text_in_a_field() {
    let mut state = state();
    press(&mut state, KeyCode::Char('n'));
    press(&mut state, KeyCode::Char('/'));
    assert!(press(&mut state, KeyCode::Char('q')).is_empty());
    assert_eq!(state.filter().text(), "q");
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.filter().text(), "");
    assert!(matches!(press(&mut state, KeyCode::Char('q'))[..], [Effect::Quit]));
}

#[test]
fn every_screen_draws_at_every_size() {
    let theme = crate::tui::theme::Theme::mono();
    for (columns, rows) in [(1, 1), (20, 5), (60, 14), (80, 24), (200, 60)] {
        let mut state = state();
        update(&mut state, Msg::Resize(columns, rows));
        for key in "1:2?x3/4n5".chars() {
            press(&mut state, KeyCode::Char(key));
            let backend = ratatui::backend::TestBackend::new(columns, rows);
            let mut terminal = ratatui::Terminal::new(backend).expect("a backend in memory");
            terminal.draw(|frame| crate::tui::view::draw(&state, &theme, frame)).expect("drawn");
        }
    }
}

#[test]
fn a_last_look_is_not_scrolled_past_its_end() {
    let mut state = state();
    asked(&mut state, ConfirmLevel::Small);
    let Popup::Confirm(confirm) = &mut state.popup else { panic!("no last look") };
    confirm.armed = true;
    confirm.lines = (0..40).map(|i| format!("line {i}")).collect();
    let top = |state: &State| match &state.popup {
        Popup::Confirm(confirm) => confirm.top,
        _ => panic!("no last look"),
    };
    for _ in 0..100 {
        press(&mut state, KeyCode::Down);
    }
    let last = top(&state);
    assert!(last > 0 && last < 40, "{last}");
    press(&mut state, KeyCode::Up);
    assert_eq!(top(&state), last - 1, "one key moves by one row");
    // A larger window shows more at once.
    update(&mut state, Msg::Resize(80, 60));
    press(&mut state, KeyCode::Down);
    assert_eq!(top(&state), 0);
}

#[test]
fn what_is_told_of_a_copied_command_names_the_configuration_that_went_with_it() {
    for (file, says) in
        [(None, "(unconfirmed): iaasmon status"), (Some("/tmp/a.toml"), "with --config FILE: iaasmon status")]
    {
        let mut state = state();
        state.config_file = file.map(Into::into);
        let effects = press(&mut state, KeyCode::Char('y'));
        let [Effect::Copy(command)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(command.contains("--config"), file.is_some());
        let message = state.message.as_ref().map_or("", |(_, text)| text);
        assert!(message.ends_with(says), "{message}");
    }
}
