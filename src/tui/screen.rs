//! The backend that ratatui draws on: cells become bytes, collected until the frame is whole.
//!
//! Written here and not taken from crossterm for four reasons: one write for each frame; no byte at all
//! for a frame that changes nothing (crossterm's backend writes 25); 30-37 and 90-97 for the 16 colours,
//! which old consoles need (crossterm writes `38;5;n`); and without colours bold and reverse survive
//! (crossterm 0.29 follows `NO_COLOR` by sending an empty SGR, which resets them).

use crate::tui::theme::Tier;
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier, Style};
use std::io::{self, Write};

/// Tells the terminal to show nothing until [`END`] (DEC mode 2026); others ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// The cells of one frame, as bytes.
#[derive(Debug)]
pub struct Screen {
    tier: Tier,
    size: Size,
    bytes: Vec<u8>,
    /// Where the cursor shall stand after the frame; `None` hides it.
    wanted: Option<Position>,
    /// Where it stands now.
    shown: Option<Position>,
}

/// Everything that SGR sets.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };
}

impl Screen {
    /// Builds the backend of a terminal whose cursor is hidden.
    pub fn new(tier: Tier, size: Size) -> Self {
        Self { tier, size, bytes: Vec::with_capacity(64 * 1024), wanted: None, shown: None }
    }

    /// Takes over the terminal's new size.
    pub fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    /// Forgets what the terminal shows: it was left and entered again.
    pub fn forget(&mut self) {
        self.bytes.clear();
        self.shown = None;
    }

    /// Returns the bytes of the frame that was drawn, or nothing if it looks like the one before.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        let drawn = !self.bytes.is_empty();
        if !drawn && self.wanted == self.shown {
            return None;
        }
        let mut frame = Vec::with_capacity(self.bytes.len() + 64);
        frame.extend_from_slice(BEGIN);
        frame.append(&mut self.bytes);
        match (self.shown, self.wanted) {
            (Some(_), None) => frame.extend_from_slice(b"\x1b[?25l"),
            (None, Some(_)) => frame.extend_from_slice(b"\x1b[?25h"),
            _ => {}
        }
        if let Some(at) = self.wanted.filter(|at| drawn || self.shown != Some(*at)) {
            move_to(&mut frame, at.x, at.y);
        }
        self.shown = self.wanted;
        frame.extend_from_slice(END);
        Some(frame)
    }

    /// Sets the whole pen anew: shorter code and never wrong, at a few bytes more than the difference.
    fn set_pen(&mut self, pen: Pen) {
        write_pen(&mut self.bytes, self.tier, pen);
    }
}

/// Returns a text with the bytes around it that give it a look, for a command that prints lines.
pub fn painted(text: &str, style: Style, tier: Tier) -> String {
    let colour = |colour: Option<Color>| colour.unwrap_or(Color::Reset);
    let mut out = Vec::new();
    write_pen(
        &mut out,
        tier,
        Pen { fg: colour(style.fg), bg: colour(style.bg), modifier: style.add_modifier },
    );
    format!("{}{text}\x1b[0m", String::from_utf8_lossy(&out))
}

fn write_pen(out: &mut Vec<u8>, tier: Tier, pen: Pen) {
    out.extend_from_slice(b"\x1b[0");
    for (modifier, code) in [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
        (Modifier::CROSSED_OUT, 9),
    ] {
        if pen.modifier.contains(modifier) {
            put(out, format_args!(";{code}"));
        }
    }
    if tier > Tier::Mono {
        put_color(out, pen.fg, 30);
        put_color(out, pen.bg, 40);
    }
    out.push(b'm');
}

/// Appends the SGR parameters of a colour; `base` is 30 for text, 40 for the ground.
fn put_color(out: &mut Vec<u8>, color: Color, base: u8) {
    let low = |n: u8| if n < 8 { base + n } else { base + 60 + n - 8 };
    match color {
        Color::Reset => {}
        Color::Indexed(n) if n < 16 => put(out, format_args!(";{}", low(n))),
        Color::Indexed(n) => put(out, format_args!(";{};5;{n}", base + 8)),
        Color::Rgb(r, g, b) => put(out, format_args!(";{};2;{r};{g};{b}", base + 8)),
        named => put(out, format_args!(";{}", low(number(named)))),
    }
}

/// Returns the place of one of the 16 named colours in the palette.
fn number(color: Color) -> u8 {
    const NAMED: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    (0..).zip(NAMED).find(|(_, named)| *named == color).map_or(7, |(n, _)| n)
}

fn move_to(out: &mut Vec<u8>, x: u16, y: u16) {
    put(out, format_args!("\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1));
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every byte");
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut pen = Pen::PLAIN;
        let mut last = None;
        for (x, y, cell) in content {
            if last.is_none_or(|(lx, ly)| (lx, ly) != (u32::from(x), y)) {
                move_to(&mut self.bytes, x, y);
            }
            // A wide character leaves the cursor two columns on; the next cell then is moved to.
            last = Some((u32::from(x) + 1, y));
            let wanted = Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier };
            if wanted != pen {
                self.set_pen(wanted);
                pen = wanted;
            }
            self.bytes.extend_from_slice(cell.symbol().as_bytes());
        }
        if pen != Pen::PLAIN {
            self.bytes.extend_from_slice(b"\x1b[0m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.wanted = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.wanted = self.wanted.or(Some(Position::ORIGIN));
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Never asked from the terminal: the answer would be read as key presses.
        Ok(self.shown.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        if self.wanted.is_some() {
            self.wanted = Some(position.into());
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
        Ok(())
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        match clear_type {
            ClearType::All => self.clear(),
            // Only inline viewports ask for the others, and this one is always the whole screen.
            _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    /// Does nothing: [`Screen::take_frame`] hands the frame over when it is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::text::Span;

    fn terminal(tier: Tier) -> Terminal<Screen> {
        Terminal::new(Screen::new(tier, Size::new(20, 2))).expect("memory only")
    }

    fn frame(terminal: &mut Terminal<Screen>, text: &str, style: Style) -> Option<String> {
        terminal.draw(|f| f.render_widget(Span::styled(text.to_owned(), style), f.area())).expect("memory");
        terminal.backend_mut().take_frame().map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn a_frame_is_one_synchronized_block_and_an_equal_one_is_nothing() {
        let mut t = terminal(Tier::Ansi16);
        let first = frame(&mut t, "CRIT", Style::new().red().bold()).expect("new");
        assert_eq!(first, "\x1b[?2026h\x1b[1;1H\x1b[0;1;31mCRIT\x1b[0m\x1b[?2026l");
        assert_eq!(frame(&mut t, "CRIT", Style::new().red().bold()), None);
    }

    #[test]
    fn without_colours_bold_and_reverse_stay() {
        let style = Style::new().red().on_blue().bold().reversed();
        let bytes = frame(&mut terminal(Tier::Mono), "CRIT", style).expect("new");
        assert!(bytes.contains("\x1b[0;1;7mCRIT\x1b[0m"), "{bytes:?}");
    }

    #[test]
    fn every_kind_of_colour_is_written_the_shortest_way_that_old_terminals_know() {
        for (style, sgr) in [
            (Style::new().fg(Color::Gray).bg(Color::White), "0;37;107"),
            (Style::new().fg(Color::Indexed(9)), "0;91"),
            (Style::new().fg(Color::Indexed(208)).bg(Color::Indexed(16)), "0;38;5;208;48;5;16"),
            (Style::new().fg(Color::Rgb(1, 2, 3)), "0;38;2;1;2;3"),
            (Style::new().dim().italic().underlined(), "0;2;3;4"),
        ] {
            let bytes = frame(&mut terminal(Tier::Truecolor), "x", style).expect("new");
            assert!(bytes.contains(&format!("\x1b[{sgr}mx")), "{sgr}: {bytes:?}");
        }
    }

    #[test]
    fn the_cursor_is_shown_moved_and_hidden_only_when_that_changes() {
        let mut t = terminal(Tier::Mono);
        let mut at = |x: Option<u16>| {
            t.draw(|f| x.iter().for_each(|x| f.set_cursor_position((*x, 1)))).expect("memory");
            t.backend_mut().take_frame().map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
        };
        assert_eq!(at(None), None);
        assert_eq!(at(Some(3)).as_deref(), Some("\x1b[?2026h\x1b[?25h\x1b[2;4H\x1b[?2026l"));
        assert_eq!(at(Some(3)), None);
        assert_eq!(at(Some(4)).as_deref(), Some("\x1b[?2026h\x1b[2;5H\x1b[?2026l"));
        assert_eq!(at(None).as_deref(), Some("\x1b[?2026h\x1b[?25l\x1b[?2026l"));
    }

    #[test]
    fn clearing_draws_every_cell_anew_without_asking_the_terminal() {
        let mut t = terminal(Tier::Mono);
        frame(&mut t, "same", Style::new());
        t.clear().expect("memory");
        let again = frame(&mut t, "same", Style::new()).expect("anew");
        assert_eq!(again, "\x1b[?2026h\x1b[0m\x1b[2J\x1b[1;1Hsame\x1b[?2026l");
    }
}
