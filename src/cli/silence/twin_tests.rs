//! The commands that the screens show, read by the command line's own types: they say the same.

use super::draft::{of_args, parse_matchers};
use super::*;
use crate::cli::args::{Cli, Command, FleetCommand};
use crate::cli::streams::{Streams, View};
use crate::config::{self, Access, Config};
use crate::fleet::filter::ClusterLabels;
use crate::fleet::silence::{Change, Draft, Facts, LogicalSilence, Targets, group};
use crate::fleet::silences::SilenceCopy;
use crate::fleet::{Coverage, Fleet};
use crate::model::cluster::ClusterName;
use crate::model::matcher::MatchOp::{Equal, Regex};
use crate::model::matcher::Matcher;
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::{Timestamp, from_epoch};
use crate::tui::state::editor::{Editor, Field, Where};
use crate::tui::state::selection::Selection;
use crate::tui::state::twin;
use clap::Parser as _;
use std::collections::BTreeMap;
use tui_input::Input;

fn now() -> Timestamp {
    from_epoch(1_795_000_000.0).expect("a time")
}

/// Names that a shell would take apart.
const CLUSTERS: [&str; 2] = ["prod-east", "dev west's"];

fn config() -> Config {
    let mut config = Config::default();
    for name in CLUSTERS {
        let mut cluster = config::Cluster::new(name, &config.defaults);
        cluster.alertmanager = vec!["http://127.0.0.1:9093".parse().expect("a URL")];
        config.clusters.push(cluster);
    }
    config
}

fn facts(name: &ClusterName) -> Facts {
    Facts {
        cluster: name.clone(),
        access: Access::Rw,
        has_alertmanager: true,
        reachable: true,
        node_label: "instance".into(),
        check_label: "check".into(),
        labels: BTreeMap::new(),
        alerts: Vec::new(),
        nodes: Vec::new(),
        silences: Vec::new(),
        version: Some((0, 25)),
        coverage: Coverage::default(),
        notes: Vec::new(),
    }
}

fn editor(selection: Selection) -> Editor {
    let clusters = CLUSTERS.map(ClusterName::from).to_vec();
    let mut editor = Editor::new(selection, "r.ahn", clusters, 1);
    for (slot, name) in editor.facts.iter_mut().zip(CLUSTERS) {
        *slot = Some(facts(&name.into()).into());
    }
    editor
}

/// Reads the fields and finds out what they would do.
fn recompute(editor: &mut Editor) {
    if let Some(search) = editor.recompute(&Default::default(), now()) {
        editor.take_preview(search.round, search.preview(), &Default::default(), now());
    }
}

fn awkward() -> Selection {
    let matchers = vec![
        Matcher::new("alertname", Equal, "It's \"down\" \\ $HOME `x`"),
        Matcher::new("instance", Regex, "hv-1\\.east:9100|~root|a b"),
    ];
    Selection { matchers, clusters: vec![CLUSTERS[1].into()], notes: Vec::new() }
}

/// Has a real shell take the command apart, as a reader's would.
fn words(command: &str) -> Vec<String> {
    let script = format!("set -- {command}; printf '%s\\0' \"$@\"");
    let out = std::process::Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    assert!(out.status.success(), "{command}");
    let text = String::from_utf8(out.stdout).expect("text");
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

fn read(command: &str) -> (Vec<String>, SilenceCommand) {
    let cli = Cli::try_parse_from(words(command)).unwrap_or_else(|error| panic!("{command}\n{error}"));
    match cli.command {
        Some(Command::Fleet(FleetCommand::Silence(args))) => (cli.global.cluster, args.command),
        other => panic!("{command}: {other:?}"),
    }
}

/// Returns the draft that `silence add` makes of `command`.
fn drafted(command: &str) -> Draft {
    let (named, SilenceCommand::Add(args)) = read(command) else { panic!("{command}") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let config = config();
    let fleet = Fleet::new(&config).select(&named).expect("known clusters");
    let labels = ClusterLabels::of(&config);
    let streams = Streams { out: &mut out, err: &mut err, view: View::default() };
    let mut session = Session {
        config,
        file: None,
        fleet,
        named: !named.is_empty(),
        labels,
        now: now(),
        streams,
        hint_if_empty: None,
    };
    let around = Surroundings { journals: None, login: Some("r.ahn".into()), interactive: false };
    let facts: Vec<Facts> = session.fleet.clusters().iter().map(|cluster| facts(cluster.name())).collect();
    let named = session.named;
    of_args(&args.what, &facts, &mut session, named, &around).expect("a draft")
}

#[test]
fn a_new_silence_is_the_same_one_wherever_it_is_made() {
    for target in [Where::Selected, Where::Matching, Where::All, Where::Choose] {
        for comment in ["INC-1 it's", "-v looks like an option", "ends in backslash \\"] {
            let mut editor = editor(awkward());
            editor.target = target;
            editor.toggle(0);
            editor.texts.comment = Input::new(comment.into());
            editor.texts.duration = Input::new("90m".into());
            recompute(&mut editor);
            let draft = editor.draft.clone().expect("a draft");
            assert_eq!(drafted(&editor.command()), draft, "{}", editor.command());
            editor.texts.author = Input::new("night shift".into());
            recompute(&mut editor);
            assert_eq!(Ok(drafted(&editor.command())), editor.draft, "{}", editor.command());
        }
    }
}

#[test]
fn an_acknowledgement_is_the_same_one() {
    let mut editor = editor(awkward()).acknowledging();
    for (comment, author) in
        [(None, None), (Some("ACK! I look"), None), (None, Some("x y")), (Some("INC-2"), None)]
    {
        if let Some(comment) = comment {
            editor.texts.comment = Input::new(comment.into());
        }
        if let Some(author) = author {
            editor.texts.author = Input::new(author.into());
        }
        recompute(&mut editor);
        assert_eq!(Ok(drafted(&editor.command())), editor.draft, "{}", editor.command());
    }
}

#[test]
fn a_part_of_the_fleet_names_its_clusters() {
    let mut editor = editor(awkward());
    (editor.target, editor.narrowed) = (Where::All, true);
    recompute(&mut editor);
    let names = CLUSTERS.map(ClusterName::from).to_vec();
    assert_eq!(drafted(&editor.command()).targets, Targets::Named(names));
}

fn silence() -> LogicalSilence {
    let silence = Silence {
        id: "0f3a8c21-1111-4222-8333-444455556666".into(),
        matchers: awkward().matchers,
        starts_at: now() - chrono::TimeDelta::hours(1),
        ends_at: now() + chrono::TimeDelta::minutes(90),
        updated_at: now() - chrono::TimeDelta::hours(1),
        created_by: "you".into(),
        comment: "INC-9".into(),
        state: SilenceState::Active,
        annotations: BTreeMap::new(),
    };
    group([SilenceCopy { cluster: CLUSTERS[0].into(), silence, seen_by: Vec::new() }]).remove(0)
}

/// Returns the change that `silence edit` makes of `command`.
fn change(command: &str) -> Change {
    let (_, SilenceCommand::Edit(args)) = read(command) else { panic!("{command}") };
    assert_eq!(args.id, &*silence().id);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let config = config();
    let fleet = Fleet::new(&config);
    let labels = ClusterLabels::of(&config);
    let streams = Streams { out: &mut out, err: &mut err, view: View::default() };
    let mut session =
        Session { config, file: None, fleet, named: false, labels, now: now(), streams, hint_if_empty: None };
    let given = !args.matchers.is_empty();
    let matchers = given.then(|| parse_matchers(&args.matchers, &mut session).expect("matchers"));
    let end = args.end.map(|text| draft::when(&text, now()).expect("a time"));
    let ends_at = args.duration.map(|d| draft::later(now(), d).expect("a time")).or(end);
    Change { ends_at, comment: args.comment, created_by: args.author, matchers }
}

#[test]
fn a_change_is_the_same_one() {
    let silence = silence();
    let selection = Selection { matchers: silence.matchers.clone(), ..Selection::default() };
    let mut editor = editor(selection).changing(&silence, now());
    let mut seen = 0;
    for (field, text) in [
        (Field::Comment, "-- it's longer"),
        (Field::Duration, "3h"),
        (Field::Author, "night shift"),
        (Field::Matchers, "a=\"b c\",d!~\"e|'f'\""),
    ] {
        editor.focus = field;
        *editor.input().expect("a field") = Input::new(text.into());
        recompute(&mut editor);
        let (wanted, _) = editor.change(now()).expect("a change");
        assert_eq!(change(&editor.command()), wanted, "{}", editor.command());
        seen += 1;
    }
    assert_eq!(seen, 4);
    // A repair names the end itself.
    editor.end = Some(silence.ends_at);
    recompute(&mut editor);
    let (wanted, _) = editor.change(now()).expect("a change");
    assert_eq!(change(&editor.command()), wanted, "{}", editor.command());
}

#[test]
fn the_short_commands_say_the_same() {
    let mut editor = editor(Selection::default()).extending(&silence());
    editor.texts.matchers = Input::new("a=\"b\"".into());
    editor.texts.duration = Input::new("1h30m".into());
    let (_, SilenceCommand::Extend(args)) = read(&editor.command()) else { panic!("{}", editor.command()) };
    assert_eq!((args.id.as_str(), args.duration.as_secs()), (&*silence().id, 5400));

    let (_, SilenceCommand::Expire(args)) = read(&twin::expire([silence(), silence()].iter())) else {
        panic!("not an expiry")
    };
    assert_eq!(args.ids, [silence().id.to_string(), silence().id.to_string()]);

    let op = OpId::new(now());
    let (_, SilenceCommand::Resume(args)) = read(&twin::operations("resume", &[op])) else { panic!() };
    assert_eq!(args.op, Some(op));
    let (_, SilenceCommand::Undo(args)) = read(&twin::operations("undo", &[op])) else { panic!() };
    assert_eq!(args.op, Some(op));
}
