//! The loop: events in, state updated, a frame out when one is due. The only file that owns a terminal.

use crate::config::{Config, Env};
use crate::fleet::Fleet;
use crate::sys::clock;
use crate::tui::effects::Effects;
use crate::tui::events::{self, Event, GRACE};
use crate::tui::msg::{Effect, Msg};
use crate::tui::pace::{Cause, Pace};
use crate::tui::screen::Screen;
use crate::tui::state::State;
use crate::tui::theme::{Appearance, Choice, Role, Theme, Tier};
use crate::tui::update::update;
use crate::tui::{clipboard, crash, suspend, terminal, view};
use ratatui::Terminal;
use ratatui::layout::Size;
use signal_hook::consts::SIGHUP;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How often the state hears of the time. Most ticks change no cell and therefore send no byte.
const TICK: Duration = Duration::from_secs(1);
/// How long after a stop its own signal may still arrive.
const ECHO: Duration = Duration::from_millis(250);
/// The most events taken in before a frame is drawn: a flood must not keep the screen from changing.
const MOST_EVENTS: usize = 4096;

/// Why the interface cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Input or output is a file or a pipe.
    #[error("the screens need a terminal as input and output")]
    NotATerminal,
    /// A terminal that can only print lines.
    #[error("a terminal of the kind `TERM={0}` cannot show screens")]
    Plain(String),
    /// The terminal did not do what was asked of it.
    #[error("the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Why the interface ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// Somebody quit.
    Quit,
    /// A signal asked for it; SIGHUP also stands for a terminal that has gone.
    Signal(i32),
}

impl ExitReason {
    /// Ends the program by the signal that asked for it, so that its parent sees the cause; returns after a
    /// quit. To be called last, when everything that must be cleaned up has been.
    pub fn finish(self) {
        if let Self::Signal(signal) = self {
            events::die(signal);
        }
    }
}

/// Returns where the user's own themes are: beside the configuration.
pub fn theme_folder(env: &Env) -> Option<PathBuf> {
    let config = env.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    config.or_else(|| Some(env.home()?.join(".config"))).map(|config| config.join("iaasmon/themes"))
}

/// What the interface is told beside its configuration.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The configuration's file where it was named, so that copied commands name it too.
    pub file: Option<&'a Path>,
    /// Whether the configuration has more clusters than are shown.
    pub narrowed: bool,
    /// What is said first, until a key is pressed.
    pub hint: Option<String>,
}

/// Opens the interface on the terminal and returns when it is left; the terminal is as it was before.
pub fn run(config: &Config, opening: Opening<'_>, fleet: Fleet, env: &Env) -> Result<ExitReason, TuiError> {
    check_terminal(env)?;
    // All that can fail comes before the terminal is changed, so that errors print as usual.
    let tasks = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sender, inbox) = mpsc::channel();
    let tell = sender.clone();
    let effects = Effects::new(fleet, tasks.handle().clone(), move |msg| {
        // Without a receiver the interface has ended, and nobody wants to know.
        let _ = tell.send(Event::Msg(msg));
    })
    .journal_in(env.journals(&config.policy));
    let tier = Tier::detect(config.ui.color, env);
    let choice = Choice {
        name: config.ui.theme.clone().unwrap_or_else(|| "default".to_owned()),
        folder: theme_folder(env),
        tier,
        appearance: Appearance::detect(env),
    };
    let (theme, warnings) = choice.load();
    let size = window_size()?;
    let screen = Terminal::new(Screen::new(tier, size))?;
    let mut state = State::new(clock::now(), (size.width, size.height), config);
    state.narrowed = opening.narrowed;
    // From another folder, too.
    state.config_file =
        opening.file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
    if state.author.is_empty() {
        state.author = env.login().unwrap_or_default();
    }
    state.message = warnings.into_iter().next().or(opening.hint).map(|says| (Role::Notice, says));
    let mut tui = Tui {
        screen,
        state,
        theme,
        choice,
        effects,
        pace: Pace::default(),
        stopped: false,
        resumed: None,
        resized: false,
    };
    let reports = env.state_folder().unwrap_or_else(std::env::temp_dir);
    let outcome = on_terminal(reports, &sender, || tui.run(&inbox));
    if outcome.is_ok() {
        tui.effects.settle(GRACE);
    }
    // Tasks that read are of no use any more.
    tasks.shutdown_background();
    outcome
}

/// Runs `body` on the terminal and gives the terminal back however that ends: by its value, an error or a panic,
/// of which a report is written into `reports`. Events go to `sender` meanwhile.
pub(super) fn on_terminal(
    reports: PathBuf,
    sender: &Sender<Event>,
    body: impl FnOnce() -> Result<ExitReason, TuiError>,
) -> Result<ExitReason, TuiError> {
    crash::install(reports);
    events::start(sender)?;
    terminal::enter()?;
    let outcome = match body() {
        // The watchdog says the same a moment later.
        Err(_) if terminal::gone() => Ok(ExitReason::Signal(SIGHUP)),
        other => other,
    };
    terminal::leave();
    outcome
}

fn check_terminal(env: &Env) -> Result<(), TuiError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(TuiError::NotATerminal);
    }
    match env.get("TERM").map(|term| term.to_string_lossy().into_owned()) {
        Some(term) if term != "dumb" => Ok(()),
        other => Err(TuiError::Plain(other.unwrap_or_default())),
    }
}

fn window_size() -> io::Result<Size> {
    let size = crossterm::terminal::window_size()?;
    Ok(Size::new(size.columns, size.rows))
}

struct Tui {
    screen: Terminal<Screen>,
    state: State,
    theme: Theme,
    choice: Choice,
    effects: Effects,
    pace: Pace,
    /// The terminal belongs to somebody else until the program is continued.
    stopped: bool,
    /// When the terminal was taken over again.
    resumed: Option<Instant>,
    /// The size is to be read before the next frame.
    resized: bool,
}

impl Tui {
    fn run(&mut self, inbox: &Receiver<Event>) -> Result<ExitReason, TuiError> {
        // An operation that an earlier run could not finish must be seen at once.
        self.effects.run(Effect::LoadOperations);
        let mut tick = clock::instant();
        self.pace.note(Cause::Input);
        loop {
            let now = clock::instant();
            if now >= tick && !self.stopped {
                tick = now + TICK;
                if let Some(reason) = self.tell(Msg::Tick(clock::now()), Cause::Data)? {
                    return Ok(reason);
                }
            }
            self.draw_if_due(now)?;
            let wait = self.pace.wait(now).unwrap_or(TICK).min(tick.saturating_duration_since(now));
            match inbox.recv_timeout(wait) {
                Ok(first) => {
                    for event in std::iter::once(first).chain(inbox.try_iter()).take(MOST_EVENTS) {
                        if let Some(reason) = self.take(event)? {
                            return Ok(reason);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitReason::Quit),
            }
        }
    }

    /// Does what an event asks for; returns why to end.
    fn take(&mut self, event: Event) -> Result<Option<ExitReason>, TuiError> {
        match event {
            Event::Msg(msg) => {
                let keys = matches!(msg, Msg::Key(_) | Msg::Paste(_));
                return self.tell(msg, if keys { Cause::Input } else { Cause::Data });
            }
            Event::Resized => {
                self.resized = true;
                self.pace.note(Cause::Input);
            }
            Event::Stop => self.stop(),
            Event::Continued => return self.resume(),
            Event::End(signal) => return Ok(Some(ExitReason::Signal(signal))),
        }
        Ok(None)
    }

    fn tell(&mut self, msg: Msg, cause: Cause) -> Result<Option<ExitReason>, TuiError> {
        self.pace.note(cause);
        for effect in update(&mut self.state, msg) {
            match effect {
                Effect::Quit => return Ok(Some(ExitReason::Quit)),
                Effect::Suspend => self.stop(),
                Effect::Redraw => self.redraw()?,
                Effect::NextTheme => self.next_theme(),
                Effect::Copy(text) => self.copy(&text)?,
                other => self.effects.run(other),
            }
        }
        Ok(None)
    }

    /// Stops until continued.
    fn stop(&mut self) {
        // The SIGTSTP that stops the group comes back to us, sometimes after the SIGCONT.
        let echo = self.resumed.is_some_and(|at| clock::instant() < at + ECHO);
        if !self.stopped && !echo {
            self.stopped = suspend::suspend();
        }
    }

    /// Takes the terminal over again; also after a stop that could not be seen coming (SIGSTOP).
    fn resume(&mut self) -> Result<Option<ExitReason>, TuiError> {
        self.stopped = false;
        if !suspend::in_foreground() {
            self.stop();
            return Ok(None);
        }
        self.resumed = Some(clock::instant());
        terminal::enter()?;
        self.screen.backend_mut().forget();
        self.redraw()?;
        self.resized = true;
        self.tell(Msg::Resumed, Cause::Input)
    }

    fn copy(&mut self, text: &str) -> Result<(), TuiError> {
        match clipboard::copy(text) {
            Some(bytes) => Ok(terminal::write(&bytes)?),
            None => {
                self.state.message = Some((Role::Error, "too long for the terminal's clipboard".to_owned()));
                Ok(())
            }
        }
    }

    fn next_theme(&mut self) {
        self.choice.next();
        let (theme, warnings) = self.choice.load();
        self.theme = theme;
        let says = match warnings.into_iter().next() {
            Some(warning) => warning,
            None if self.choice.tier == Tier::Mono => "without colours every theme looks alike".to_owned(),
            None => format!("theme {0} (to keep it: theme = \"{0}\" in [ui])", self.choice.name),
        };
        self.state.message = Some((Role::Notice, says));
    }

    /// Has every cell drawn anew.
    fn redraw(&mut self) -> Result<(), TuiError> {
        self.pace.note(Cause::Input);
        Ok(self.screen.clear()?)
    }

    fn draw_if_due(&mut self, now: Instant) -> Result<(), TuiError> {
        if self.stopped || self.pace.wait(now) != Some(Duration::ZERO) {
            return Ok(());
        }
        if std::mem::take(&mut self.resized) {
            let size = window_size()?;
            self.screen.backend_mut().set_size(size);
            self.tell(Msg::Resize(size.width, size.height), Cause::Input)?;
        }
        self.pace.drew(now);
        // A terminal without rows or columns is one that is about to go, or a window being made.
        if self.screen.size()?.area() == 0 {
            return Ok(());
        }
        self.screen.draw(|frame| view::draw(&self.state, &self.theme, frame))?;
        match self.screen.backend_mut().take_frame() {
            Some(frame) => Ok(terminal::write(&frame)?),
            None => Ok(()),
        }
    }
}
