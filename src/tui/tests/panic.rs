//! The drawing thread breaks on a real (pseudo) terminal. The test is its own child: nothing in the program can be
//! asked to break.

use crate::tui::runtime::on_terminal;
use crate::tui::screen::Screen;
use crate::tui::terminal;
use crate::tui::theme::Tier;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::Terminal;
use ratatui::layout::Size;
use std::env;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Names the folder of the reports to the child, and that it is one.
const CHILD: &str = "IAASMON_TEST_REPORTS";

/// Draws a frame and breaks at the next one.
fn draw_and_break(reports: &Path) {
    let (sender, _inbox) = std::sync::mpsc::channel();
    let mut screen = Terminal::new(Screen::new(Tier::Mono, Size::new(80, 24))).expect("a screen");
    let outcome = on_terminal(reports.to_owned(), &sender, || {
        screen.draw(|frame| frame.render_widget("well", frame.area()))?;
        terminal::write(&screen.backend_mut().take_frame().expect("a frame"))?;
        screen.draw(|_| panic!("no cell \u{1b}[31mat all"))?;
        unreachable!("it panicked")
    });
    unreachable!("{outcome:?}");
}

#[test]
fn a_panic_while_drawing_gives_the_terminal_back_and_says_why() {
    if let Some(reports) = env::var_os(CHILD) {
        return draw_and_break(Path::new(&reports));
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
    let before = pty.master.get_termios();
    let mut command = CommandBuilder::new(env::current_exe().expect("its path"));
    let (_, here) = module_path!().split_once("::").expect("below the crate");
    let name = format!("{here}::a_panic_while_drawing_gives_the_terminal_back_and_says_why");
    command.args([&*name, "--exact", "--nocapture"]);
    command.env(CHILD, folder.path());
    let mut child = pty.slave.spawn_command(command).expect("starts");
    let mut from = pty.master.try_clone_reader().expect("readable");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    // The slave stays open, so that the line's settings outlive the child: the harness's last words are the end.
    while !String::from_utf8_lossy(&bytes).contains("test result: FAILED") {
        let read = from.read(&mut buffer).expect("readable");
        bytes.extend_from_slice(&buffer[..read]);
    }
    assert!(!child.wait().expect("a child").success());
    let text = String::from_utf8_lossy(&bytes);
    let at = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("no {what:?}: {text:?}"));
    assert!(at("\u{1b}[?1049h") < at("well") && at("well") < at("\u{1b}[?25h"), "{text:?}");
    for off in ["\u{1b}[?25h", "\u{1b}[?2004l", "\u{1b}[?1049l"] {
        assert!(at(off) < at("iaasmon broke: no cell"), "{off:?}: {text:?}");
    }
    // The line is cooked again, so what is told starts at the left edge; what was drawn cannot colour it.
    assert!(text.contains("\r\n  report: ") && !text.contains("\u{1b}[31m"), "{text:?}");
    assert_eq!(pty.master.get_termios(), before);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "one report");
}
