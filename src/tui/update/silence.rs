//! Writing silences: the editor, the last look, and what comes back.

use crate::fleet::silence::{ConfirmLevel, Facts, Step};
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::msg::Effect;
use crate::tui::state::confirm::{Confirm, Deed, Progress, Run};
use crate::tui::state::editor::{Editor, Field};
use crate::tui::state::list::RowKey;
use crate::tui::state::silences::SilenceRow;
use crate::tui::state::{Page, Popup, Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::typing::edit;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;

/// Opens the editor: on what is selected, or empty.
pub fn open(state: &mut State, empty: bool) -> Vec<Effect> {
    if let Some(why) = forbidden(state) {
        state.message = Some((Role::Error, why));
        return Vec::new();
    }
    let (matchers, clusters) = if empty { Default::default() } else { state.silence_of_selection() };
    if matchers.is_empty() && !empty {
        state.message =
            Some((Role::Notice, "nothing is selected that a silence could match (4, n: new)".into()));
        return Vec::new();
    }
    state.token += 1;
    let author = state.author.clone();
    state.editor = Some(Editor::new(&matchers, clusters, &author, state.clusters.len(), state.token));
    state.stack.push(Page::new(Screen::Editor));
    recompute(state);
    vec![Effect::Facts { token: state.token }]
}

/// Says why nothing can be written, if so.
fn forbidden(state: &State) -> Option<String> {
    if state.run.as_ref().is_some_and(|run| run.ended.is_none()) {
        return Some("an operation is still under way".into());
    }
    (!state.writable()).then(|| "read only: no cluster has access = \"rw\" and an Alertmanager".into())
}

fn recompute(state: &mut State) {
    let (policy, now) = (state.policy.clone(), state.now);
    if let Some(editor) = &mut state.editor {
        editor.recompute(&policy, now);
    }
}

/// Takes what is known of a cluster for the editor that asked.
pub fn take_facts(state: &mut State, cluster: u16, token: u64, facts: Facts) {
    let Some(editor) = state.editor.as_mut().filter(|e| e.token == token) else { return };
    if let Some(slot) = editor.facts.get_mut(usize::from(cluster)) {
        *slot = Some(facts);
    }
    recompute(state);
}

/// Gives a key to the editor.
pub fn press(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Some(editor) = &mut state.editor else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, editor.focus) {
        (KeyCode::Esc, _) | (KeyCode::Enter, Field::Cancel) => close(state),
        (KeyCode::Char('x'), _) if control => return review(state),
        // A held Enter must not run through the fields into the review.
        (KeyCode::Enter, Field::Review) if key.kind == KeyEventKind::Press => return review(state),
        (KeyCode::Tab | KeyCode::Down | KeyCode::Enter, focus)
            if focus != Field::Review || key.code == KeyCode::Tab =>
        {
            editor.focus = focus.step(true);
        }
        (KeyCode::BackTab | KeyCode::Up, focus) => editor.focus = focus.step(false),
        (KeyCode::Left | KeyCode::Right | KeyCode::Char(' '), Field::Targets) => {
            editor.next_target();
            recompute(state);
        }
        (KeyCode::Left | KeyCode::Right, focus @ (Field::Cancel | Field::Review)) => {
            editor.focus = if focus == Field::Cancel { Field::Review } else { Field::Cancel };
        }
        _ => {
            if editor.input().is_some_and(|input| edit(input, key)) {
                recompute(state);
            }
        }
    }
    Vec::new()
}

/// Puts pasted text into the field that has the focus.
pub fn paste(state: &mut State, text: &str) {
    if let Some(input) = state.editor.as_mut().and_then(Editor::input) {
        crate::tui::update::typing::insert(input, text);
    }
    recompute(state);
}

fn close(state: &mut State) {
    state.stack.pop();
    state.editor = None;
    state.message = Some((Role::Notice, "nothing was written".into()));
}

/// Opens the last look on what stands in the editor now, frozen.
fn review(state: &mut State) -> Vec<Effect> {
    recompute(state);
    let Some(editor) = &state.editor else { return Vec::new() };
    if let Some(why) = editor.obstacle() {
        state.message = Some((Role::Error, text::line(&why).into_owned()));
        return Vec::new();
    }
    let (Ok(draft), Some(preview), Some(facts), Some(judgement)) =
        (&editor.draft, &editor.preview, editor.all_facts(), &editor.judgement)
    else {
        return Vec::new();
    };
    let written: Vec<String> = preview.written().map(|c| c.cluster.to_string()).collect();
    let hits = preview.hits().count();
    let nodes: usize = preview.written().map(|c| c.nodes.len()).sum();
    let matchers = draft.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut lines = vec![
        format!("what      {matchers}"),
        format!("where     {} cluster(s): {}", written.len(), written.join(", ")),
        format!("until     {} (for {})", until(draft.ends_at), editor.duration.value().trim()),
        format!("who       {}", draft.created_by),
        format!("why       {}", draft.comment),
        format!("silences  {hits} firing alert(s) on {nodes} node(s), and every alert to come that matches"),
    ];
    for c in preview.unknown() {
        lines.push(format!(
            "! {} does not answer: nothing is written there, what matches there still pages",
            c.cluster
        ));
    }
    for c in preview.written().filter(|c| !c.reachable) {
        lines.push(format!("! {} does not answer: it is tried, what it hits is not known", c.cluster));
    }
    lines.extend(judgement.why().map(|why| format!("! {}: {why}", judgement.level.word())));
    let title = format!("silence {hits} alert(s) on {} cluster(s)", written.len());
    let command = editor.command();
    let deed = Deed::Add { draft: draft.clone(), preview: preview.clone(), facts };
    let level = judgement.level;
    ask(state, deed, title, lines, command, level)
}

fn until(at: Timestamp) -> String {
    let local = at.with_timezone(&chrono::Local);
    format!("{} UTC = {} local", at.format("%Y-%m-%d %H:%M"), local.format("%H:%M"))
}

/// Opens the last look on the end of a silence.
pub fn expire(state: &mut State) -> Vec<Effect> {
    if let Some(why) = forbidden(state) {
        state.message = Some((Role::Error, why));
        return Vec::new();
    }
    let id = match (state.screen(), state.current()) {
        (Screen::Silence(id), _) => id.clone(),
        (_, Some(RowKey::Silence(id))) => id,
        _ => return Vec::new(),
    };
    let Some(row) = state.silences.find(&id) else { return Vec::new() };
    let copies = row.silence.in_force().count();
    if copies == 0 {
        state.message = Some((Role::Notice, "it has expired already".into()));
        return Vec::new();
    }
    let lines = expire_lines(state, row, copies);
    let title = format!("expire {copies} copies of a silence");
    let command = format!("iaasmon silence expire {}", row.silence.id);
    let deed = Deed::Expire(Box::new(row.silence.clone()));
    ask(state, deed, title, lines, command, ConfirmLevel::Small)
}

/// What ends, and which alerts page again: the reason to think twice.
fn expire_lines(state: &State, row: &SilenceRow, copies: usize) -> Vec<String> {
    let names = row.silence.clusters().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("what      {}", row.matchers),
        format!("where     {copies} copies on {names}"),
        format!("made by   {}: {}", row.author, row.comment),
    ];
    let rows = state.clusters.iter().flat_map(|c| c.alerts.value.iter().flat_map(|rows| rows.iter()));
    let again: Vec<_> = rows.filter(|alert| row.alone_holds(alert)).collect();
    lines.push(match again.len() {
        0 => "pages     nothing that fires now".into(),
        n => format!("pages     {n} alert(s) page again at once:"),
    });
    lines.extend(again.iter().take(8).map(|a| {
        format!(
            "          {} {} {} {}",
            a.alert.severity.word(),
            a.name,
            a.node,
            state.cluster_name(a.cluster)
        )
    }));
    if again.len() > 8 {
        lines.push(format!("          and {} more", again.len() - 8));
    }
    let stale: Vec<&str> =
        row.clusters.iter().filter(|c| state.is_stale(**c)).map(|c| state.cluster_name(*c)).collect();
    if !stale.is_empty() {
        lines.push(format!("! not known: {} does not answer", stale.join(", ")));
    }
    lines
}

fn ask(
    state: &mut State,
    deed: Deed,
    title: String,
    lines: Vec<String>,
    command: String,
    level: ConfirmLevel,
) -> Vec<Effect> {
    state.token += 1;
    let lines = lines.iter().map(|line| text::line(line).into_owned()).collect();
    let (title, command) = (text::line(&title).into_owned(), text::line(&command).into_owned());
    let token = state.token;
    let confirm =
        Confirm { deed, title, lines, command, level, typed: Input::default(), armed: false, token };
    state.popup = Popup::Confirm(Box::new(confirm));
    vec![Effect::Arm { after: Confirm::guard(level), token }]
}

/// Lets keys count, unless one was pressed in the meantime.
pub fn arm(state: &mut State, token: u64) {
    if let Popup::Confirm(confirm) = &mut state.popup
        && confirm.token == token
    {
        confirm.armed = true;
    }
}

/// Gives a key to the last look. Only `y`, or Enter below the typed word, writes; Enter alone is Cancel.
pub fn confirm_key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Popup::Confirm(confirm) = &mut state.popup else { return Vec::new() };
    if key.code == KeyCode::Esc {
        cancel(state);
        return Vec::new();
    }
    if !confirm.armed {
        // A held key starts the guard again and again: holding it down never writes.
        state.token += 1;
        confirm.token = state.token;
        return vec![Effect::Arm { after: Confirm::guard(confirm.level), token: state.token }];
    }
    if key.kind == KeyEventKind::Repeat {
        return Vec::new();
    }
    match (confirm.level, key.code) {
        (ConfirmLevel::Small | ConfirmLevel::Medium, KeyCode::Char('y')) if key.modifiers.is_empty() => {
            return write(state);
        }
        (ConfirmLevel::Broad, KeyCode::Enter) if confirm.has_word() => return write(state),
        (ConfirmLevel::Small | ConfirmLevel::Medium, KeyCode::Char('n' | 'q')) | (_, KeyCode::Enter) => {
            cancel(state)
        }
        (ConfirmLevel::Broad, _) => {
            edit(&mut confirm.typed, key);
        }
        _ => {}
    }
    Vec::new()
}

fn cancel(state: &mut State) {
    state.popup = Popup::None;
    state.message = Some((Role::Notice, "cancelled: nothing was written".into()));
}

/// Hands the deed over and shows what becomes of it.
fn write(state: &mut State) -> Vec<Effect> {
    let Popup::Confirm(confirm) = std::mem::take(&mut state.popup) else { return Vec::new() };
    let clusters: Vec<String> = match &confirm.deed {
        Deed::Add { preview, .. } => preview.written().map(|c| c.cluster.to_string()).collect(),
        Deed::Expire(silence) => silence.in_force().map(|copy| copy.cluster.to_string()).collect(),
    };
    let mut clusters: Vec<_> =
        clusters.iter().map(|c| (text::line(c).into_owned(), Progress::Doing("waiting"))).collect();
    clusters.dedup();
    state.run = Some(Run { title: confirm.title.clone(), op: String::new(), clusters, ended: None });
    state.stack.retain(|page| page.screen != Screen::Editor);
    state.editor = None;
    state.stack.push(Page::new(Screen::Operation));
    vec![Effect::Write(Box::new(confirm.deed))]
}

/// Takes a step of the operation.
pub fn step(state: &mut State, step: &Step) {
    if let Some(run) = &mut state.run {
        run.step(step);
    }
}
