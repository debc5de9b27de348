//! A silence that is being written or changed, with what that would do now.

use crate::config::{Access, SilencePolicy};
use crate::fleet::silence::{
    ACK_LENGTH, Change, ClusterPreview, ConfirmLevel, DEFAULT_LENGTH, Draft, Facts, Judgement, Kind,
    LogicalSilence, Preview, Targets, judge, preview,
};
use crate::model::cluster::ClusterName;
use crate::model::matcher::{Matcher, parse_matchers};
use crate::model::silence::SilenceState;
use crate::model::time::{Timestamp, age, format_duration, parse_duration};
use crate::tui::state::selection::Selection;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// A part of the editor that keys go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// What is silenced.
    Matchers,
    /// Where.
    Targets,
    /// For how long.
    Duration,
    /// Why.
    Comment,
    /// By whom.
    Author,
    /// Leave without writing.
    Cancel,
    /// Have the last look.
    Review,
}

impl Field {
    /// Every field in the order of Tab.
    pub const ALL: [Self; 7] = [
        Self::Matchers,
        Self::Targets,
        Self::Duration,
        Self::Comment,
        Self::Author,
        Self::Cancel,
        Self::Review,
    ];

    /// Returns the field that Tab goes to, or Shift-Tab.
    pub fn step(self, forward: bool) -> Self {
        let at = Self::ALL.iter().position(|f| *f == self).unwrap_or(0);
        let len = Self::ALL.len();
        Self::ALL[(at + if forward { 1 } else { len - 1 }) % len]
    }
}

/// Where a silence is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// On the clusters of what was selected.
    Selected,
    /// Where it matches now.
    Matching,
    /// Everywhere.
    All,
    /// On clusters that were chosen one by one.
    Choose,
}

/// What the editor writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// A new silence.
    New,
    /// A short one that says that somebody works on it.
    Ack,
    /// A change of this one.
    Edit(Box<LogicalSilence>),
    /// A later end of this one.
    Extend(Box<LogicalSilence>),
}

/// What can be typed.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The matchers, separated by commas.
    pub matchers: Input,
    /// How long, from now; of an extension how much longer.
    pub duration: Input,
    /// Why.
    pub comment: Input,
    /// Who.
    pub author: Input,
}

/// What a preview depends on beside the answers of the clusters: a comment or an end changes nothing of it.
#[derive(Debug, Clone, PartialEq)]
struct Scope {
    matchers: Vec<Matcher>,
    targets: Targets,
}

impl Scope {
    fn of(draft: &Draft) -> Self {
        Self { matchers: draft.matchers.clone(), targets: draft.targets.clone() }
    }
}

/// A preview to be found. With every alert of a fleet that takes longer than a frame may, so it is done elsewhere.
#[derive(Debug, Clone)]
pub struct Search {
    /// The number of the editor's questions.
    pub token: u64,
    /// The number of the search.
    pub round: u64,
    draft: Draft,
    facts: Vec<Arc<Facts>>,
}

impl Search {
    /// Finds it.
    pub fn preview(&self) -> Preview {
        preview(&self.draft, &self.facts)
    }
}

/// A silence that is being written.
#[derive(Debug, Clone)]
pub struct Editor {
    /// What is written.
    pub mode: Mode,
    /// What stands in the fields.
    pub texts: Texts,
    /// What stood in them at first.
    initial: Texts,
    /// A new end that does not depend on when it is sent; of a repair.
    pub end: Option<Timestamp>,
    /// Where it is to be made.
    pub target: Where,
    /// The clusters of what was selected.
    pub selected: Vec<ClusterName>,
    /// The clusters that were chosen.
    pub chosen: BTreeSet<ClusterName>,
    /// Every cluster.
    pub clusters: Vec<ClusterName>,
    /// Whether these are not all of the configuration.
    pub narrowed: bool,
    /// Where keys go.
    pub focus: Field,
    /// Whether the first character that is typed replaces what stands in the field, as with a selected text.
    pub fresh: bool,
    /// What the reader must know of how the fields came to be.
    pub notes: Vec<String>,
    /// How Alertmanager's other grammar would read the matchers, where that differs.
    pub other_reading: Option<String>,
    /// What is known of each cluster; absent while it is asked.
    pub facts: Vec<Option<Arc<Facts>>>,
    /// What stands in the fields, or why it is no silence.
    pub draft: Result<Draft, String>,
    /// What it would do; while that is worked out anew, what was found last.
    pub preview: Option<Arc<Preview>>,
    /// What that was found for.
    scope: Option<Scope>,
    /// What is being looked for.
    sought: Option<Scope>,
    /// How many searches there were.
    round: u64,
    /// What the policy says.
    pub judgement: Option<Judgement>,
    /// Whether the last look opens by itself as soon as it is known what the silence would do.
    pub hurried: bool,
    /// The number of its questions.
    pub token: u64,
}

impl Editor {
    /// Starts a new silence of `selection`.
    pub fn new(selection: Selection, author: &str, clusters: Vec<ClusterName>, token: u64) -> Self {
        let Selection { matchers, clusters: selected, notes } = selection;
        let texts = Texts {
            matchers: Input::new(written(&matchers)),
            duration: Input::new(format_duration(DEFAULT_LENGTH)),
            comment: Input::default(),
            author: Input::new(author.to_owned()),
        };
        Self {
            focus: if matchers.is_empty() { Field::Matchers } else { Field::Comment },
            mode: Mode::New,
            fresh: false,
            initial: texts.clone(),
            texts,
            end: None,
            target: if selected.is_empty() { Where::Matching } else { Where::Selected },
            selected,
            chosen: BTreeSet::new(),
            facts: vec![None; clusters.len()],
            clusters,
            narrowed: false,
            notes,
            other_reading: None,
            draft: Err("loading".into()),
            preview: None,
            scope: None,
            sought: None,
            round: 0,
            judgement: None,
            hurried: false,
            token,
        }
    }

    /// Makes it an acknowledgement: short, with a comment that says so, straight to the last look.
    pub fn acknowledging(mut self) -> Self {
        let author = self.texts.author.value().to_owned();
        self.texts.duration = Input::new(format_duration(ACK_LENGTH));
        self.texts.comment = Input::new(format!("ACK! {author} is working on it"));
        self.initial = self.texts.clone();
        Self { mode: Mode::Ack, hurried: true, ..self }
    }

    /// Makes it another silence like `silence`, on the same clusters.
    pub fn duplicating(mut self, silence: &LogicalSilence) -> Self {
        self.texts.comment = Input::new(silence.comment.clone());
        self.focus_on(Field::Duration);
        self
    }

    /// Takes up a draft that was left; what was known of the clusters is asked anew.
    pub fn taking_up(self, left: Self) -> Self {
        Self { facts: self.facts, token: self.token, scope: None, sought: None, ..left }
    }

    /// Makes it a change of `silence`.
    pub fn changing(mut self, silence: &LogicalSilence, now: Timestamp) -> Self {
        let left = age(now, silence.ends_at).as_secs();
        // To the minute: nobody types seconds, and an untouched field changes nothing.
        let left = Duration::from_secs(if left < 60 { left } else { left / 60 * 60 });
        self.texts.duration = Input::new(format_duration(left));
        self.texts.comment = Input::new(silence.comment.clone());
        self.texts.author = Input::new(silence.created_by.clone());
        self.initial = self.texts.clone();
        self.focus_on(Field::Duration);
        Self { mode: Mode::Edit(Box::new(silence.clone())), ..self }
    }

    /// Makes it a later end of `silence`.
    pub fn extending(mut self, silence: &LogicalSilence) -> Self {
        self.texts.duration = Input::new("1h".to_owned());
        self.initial = self.texts.clone();
        self.focus_on(Field::Duration);
        Self { mode: Mode::Extend(Box::new(silence.clone())), ..self }
    }

    /// Returns the silence that is changed, if it is one.
    pub fn changed_silence(&self) -> Option<&LogicalSilence> {
        match &self.mode {
            Mode::New | Mode::Ack => None,
            Mode::Edit(silence) | Mode::Extend(silence) => Some(silence),
        }
    }

    /// Goes to a field. A duration that nobody has touched is there to be replaced: `1h` typed after `2h` is no
    /// duration, while matchers and comments are added to.
    pub fn focus_on(&mut self, field: Field) {
        self.focus = field;
        self.fresh = field == Field::Duration && !self.changed(|f| &f.duration);
    }

    /// Reports whether it waits for answers: then every one of them may change what is shown.
    pub fn is_waiting(&self) -> bool {
        self.is_searching() || self.known() < self.facts.len()
    }

    /// Says that the last look opens when it is known what to say there.
    pub fn awaited(&self) -> String {
        let does = if self.is_searching() { "working out what it hits" } else { "asking the clusters" };
        format!("{does} ...: the review opens by itself (Esc calls it off)")
    }

    /// Returns the keys that its prompt takes, and what they do: what is typed while the review is awaited counts
    /// for nothing.
    pub fn prompt_keys(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let review = (!self.hurried).then_some(("Enter", "review"));
        let esc = if self.hurried && self.mode != Mode::Ack { "call the review off" } else { "cancel" };
        review.into_iter().chain([("Esc", esc)])
    }

    /// Returns the field that text goes into.
    pub fn input(&mut self) -> Option<&mut Input> {
        match self.focus {
            Field::Matchers => Some(&mut self.texts.matchers),
            Field::Duration => Some(&mut self.texts.duration),
            Field::Comment => Some(&mut self.texts.comment),
            Field::Author => Some(&mut self.texts.author),
            Field::Targets | Field::Cancel | Field::Review => None,
        }
    }

    /// Reports whether a field holds something else than at first.
    pub fn changed(&self, field: impl Fn(&Texts) -> &Input) -> bool {
        field(&self.texts).value().trim() != field(&self.initial).value().trim()
    }

    /// Counts the clusters that have answered.
    pub fn known(&self) -> usize {
        self.facts.iter().flatten().count()
    }

    /// Changes where it is to be made. The clusters of an existing silence are what they are.
    pub fn next_target(&mut self, forward: bool) {
        if self.changed_silence().is_some() {
            return;
        }
        let mut order = vec![Where::Selected, Where::Matching, Where::All, Where::Choose];
        order.retain(|w| *w != Where::Selected || !self.selected.is_empty());
        let at = order.iter().position(|w| *w == self.target).unwrap_or(0);
        let next = if forward { at + 1 } else { at + order.len() - 1 };
        self.target = order[next % order.len()];
        if self.target == Where::Choose && self.chosen.is_empty() {
            let written = self.preview.iter().flat_map(|preview| preview.written());
            self.chosen = written.filter(|c| c.reachable).map(|c| c.cluster.clone()).collect();
        }
    }

    /// Chooses or leaves out the cluster at this place.
    pub fn toggle(&mut self, place: usize) {
        let Some(name) = self.clusters.get(place) else { return };
        if !self.chosen.remove(name) {
            self.chosen.insert(name.clone());
        }
    }

    /// Returns the chosen clusters in the order of the configuration.
    pub fn chosen_names(&self) -> Vec<ClusterName> {
        self.clusters.iter().filter(|name| self.chosen.contains(name)).cloned().collect()
    }

    /// Takes what is known of the cluster at this place.
    pub fn take_facts(&mut self, place: usize, facts: Facts) {
        if let Some(slot) = self.facts.get_mut(place) {
            *slot = Some(Arc::new(facts));
        }
        (self.scope, self.sought) = (None, None);
    }

    /// Reads the fields anew and judges them. Where it is not known what they would do, what is to be found out is
    /// returned; only once every cluster was heard, or is known to be silent.
    pub fn recompute(&mut self, policy: &SilencePolicy, now: Timestamp) -> Option<Search> {
        self.draft = self.read(now);
        self.judgement = None;
        let (Ok(draft), Some(facts)) = (&self.draft, self.all_facts()) else {
            (self.preview, self.scope, self.sought) = (None, None, None);
            return None;
        };
        let scope = Scope::of(draft);
        if let Some(preview) = self.preview.as_ref().filter(|_| self.scope.as_ref() == Some(&scope)) {
            self.judgement = Some(judge(draft, preview, &facts, policy, now));
            self.sought = None;
            return None;
        }
        if self.sought.as_ref() == Some(&scope) {
            return None;
        }
        self.round += 1;
        let search = Search { token: self.token, round: self.round, draft: draft.clone(), facts };
        self.sought = Some(scope);
        Some(search)
    }

    /// Takes what a search has found, unless it is for something else by now.
    pub fn take_preview(&mut self, round: u64, mut found: Preview, policy: &SilencePolicy, now: Timestamp) {
        if self.sought.is_none() || round != self.round {
            return;
        }
        if let Some(silence) = self.changed_silence() {
            found.overlaps.retain(|overlap| !silence.has_id(&overlap.silence.id));
        }
        (self.scope, self.preview) = (self.sought.take(), Some(Arc::new(found)));
        // What was found is for what stands in the fields: nothing is left to be looked for.
        let left = self.recompute(policy, now);
        debug_assert!(left.is_none());
    }

    /// Lets go of what is known of the clusters: a draft that is taken up again asks anew.
    pub fn forget(&mut self) -> Vec<Arc<Facts>> {
        (self.preview, self.judgement, self.scope, self.sought) = (None, None, None, None);
        self.facts.iter_mut().filter_map(Option::take).collect()
    }

    /// Reports whether it is being worked out what the fields would do.
    pub fn is_searching(&self) -> bool {
        self.sought.is_some()
    }

    /// Returns what is known of every cluster, once all have answered.
    pub fn all_facts(&self) -> Option<Vec<Arc<Facts>>> {
        self.facts.iter().cloned().collect()
    }

    fn read(&mut self, now: Timestamp) -> Result<Draft, String> {
        self.other_reading = None;
        let parsed = parse_matchers(self.texts.matchers.value()).map_err(|e| format!("matchers: {e}"))?;
        self.other_reading = parsed.other.as_ref().map(|other| {
            format!(
                "read as {}; Alertmanager's UTF-8 grammar would read {}: quote the value and escape its \
                 backslashes to have one meaning",
                written(&parsed.matchers),
                written(other)
            )
        });
        if parsed.matchers.is_empty() {
            return Err("matchers: at least one is needed, such as alertname=\"NodeDown\"".into());
        }
        if let Some(silence) = self.changed_silence() {
            let change = self.change_of(silence, &parsed.matchers, now)?;
            return Ok(draft_of(silence, &change, now));
        }
        let targets = match self.target {
            Where::Selected => Targets::Named(self.selected.clone()),
            Where::Matching => Targets::Matching,
            Where::All => Targets::All,
            Where::Choose if self.chosen.is_empty() => {
                return Err("no cluster is chosen (Enter on `choose` lists them)".into());
            }
            Where::Choose => Targets::Named(self.chosen_names()),
        };
        Ok(Draft {
            matchers: parsed.matchers,
            starts_at: None,
            ends_at: later(now, self.length()?)?,
            created_by: self.texts.author.value().trim().to_owned(),
            comment: self.texts.comment.value().trim().to_owned(),
            targets,
        })
    }

    fn length(&self) -> Result<Duration, String> {
        parse_duration(self.texts.duration.value().trim()).map_err(|e| e.to_string())
    }

    /// Returns the change of the silence that is being edited, if it is one.
    pub fn change(&self, now: Timestamp) -> Option<(Change, Kind)> {
        let draft = self.draft.as_ref().ok()?;
        let silence = self.changed_silence()?;
        let change = self.change_of(silence, &draft.matchers, now).ok()?;
        Some((change, if matches!(self.mode, Mode::Extend(_)) { Kind::Extend } else { Kind::Edit }))
    }

    fn change_of(
        &self,
        silence: &LogicalSilence,
        matchers: &[Matcher],
        now: Timestamp,
    ) -> Result<Change, String> {
        if matches!(self.mode, Mode::Extend(_)) {
            // What is over is made again, from now on.
            let from = if silence.ends_at <= now { now } else { silence.ends_at };
            return Ok(Change { ends_at: Some(later(from, self.length()?)?), ..Change::default() });
        }
        let text = |field: fn(&Texts) -> &Input| {
            self.changed(field).then(|| field(&self.texts).value().trim().to_owned())
        };
        let ends_at = match self.end {
            Some(end) => Some(end),
            None if self.changed(|f| &f.duration) => Some(later(now, self.length()?)?),
            None => None,
        };
        Ok(Change {
            ends_at,
            comment: text(|f| &f.comment),
            created_by: text(|f| &f.author),
            matchers: self.changed(|f| &f.matchers).then(|| matchers.to_vec()),
        })
    }

    /// Returns why it cannot be reviewed, if so.
    pub fn obstacle(&self, now: Timestamp) -> Option<String> {
        if let Err(why) = &self.draft {
            return Some(why.clone());
        }
        if self.is_searching() {
            return Some("working out what it hits".into());
        }
        let (Some(preview), Some(judgement)) = (&self.preview, &self.judgement) else {
            return Some(format!("asking every cluster: {}/{} answered", self.known(), self.facts.len()));
        };
        if self.change(now).is_some_and(|(change, _)| change == Change::default()) {
            return Some("nothing is changed".into());
        }
        if let Err(why) = preview.targets() {
            let hint = if self.target == Where::Matching { " (choose clusters, or all)" } else { "" };
            return Some(format!("{why}{hint}"));
        }
        let refused = judgement.level == ConfirmLevel::Refused;
        refused.then(|| judgement.why().collect::<Vec<_>>().join("; "))
    }

    /// Returns what must be known of a cluster before it is written to, in words; empty where all is well.
    pub fn concerns(&self, place: usize) -> String {
        let Some(Some(facts)) = self.facts.get(place) else { return "asking ...".into() };
        let mut words = Vec::new();
        if !facts.has_alertmanager {
            words.push("has no Alertmanager: skipped".to_owned());
        } else if facts.access == Access::Ro {
            words.push("read only: skipped".to_owned());
        } else if !facts.reachable {
            words.push("! NO ANSWER, impact unknown".to_owned());
        }
        let utf8 = self.draft.as_ref().is_ok_and(Draft::needs_utf8);
        match facts.version {
            Some((major, minor)) if utf8 && (major, minor) < (0, 27) => {
                words.push(format!("! Alertmanager {major}.{minor}: no UTF-8 names"));
            }
            None if utf8 && facts.has_alertmanager => {
                words.push("! not known if it takes UTF-8 names".to_owned());
            }
            _ => {}
        }
        words.join("; ")
    }

    /// Returns what it would do on the cluster at this place, once that is known.
    pub fn impact(&self, place: usize) -> Option<&ClusterPreview> {
        self.preview.as_ref()?.clusters.get(place)
    }
}

/// Returns what a changed silence would be, to be previewed and judged as a new one.
fn draft_of(silence: &LogicalSilence, change: &Change, now: Timestamp) -> Draft {
    Draft {
        matchers: change.matchers.clone().unwrap_or_else(|| silence.matchers.clone()),
        starts_at: Some(silence.starts_at).filter(|start| *start > now),
        ends_at: change.ends_at.unwrap_or(silence.ends_at),
        created_by: change.created_by.clone().unwrap_or_else(|| silence.created_by.clone()),
        comment: change.comment.clone().unwrap_or_else(|| silence.comment.clone()),
        targets: Targets::Named(match silence.state {
            SilenceState::Expired => silence.clusters(),
            _ => silence.in_force().map(|copy| copy.cluster.clone()).collect(),
        }),
    }
}

fn later(from: Timestamp, by: Duration) -> Result<Timestamp, String> {
    let by = chrono::TimeDelta::from_std(by).ok();
    by.and_then(|by| from.checked_add_signed(by)).ok_or_else(|| "the duration is too long".to_owned())
}

/// Writes matchers as they are typed.
pub fn written(matchers: &[Matcher]) -> String {
    matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
