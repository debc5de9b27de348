//! `iaasmon theme list | check | preview`.

use crate::cli::error::{AppError, Exit};
use crate::cli::streams::Streams;
use crate::config::Env;
use crate::model::nearest::nearest;
use crate::model::text;
use crate::tui;
use crate::tui::theme::{self, Appearance, Origin};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// List, check or look at the themes of the screens
#[derive(Debug, Clone, Subcommand)]
pub enum ThemeCommand {
    /// List every theme and where it comes from
    #[command(after_help = "Example:\n  iaasmon theme list")]
    List,
    /// Check a theme file and list everything that is wrong with it
    ///
    /// Unknown keys, roles and colours, and colours that cannot be read on the ground that the theme states:
    /// texts need a contrast of 4.5:1, lines one of 3:1. Ends with code 2 if something is wrong.
    #[command(after_help = "Example:\n  iaasmon theme check ~/.config/iaasmon/themes/mine.toml")]
    Check(CheckArgs),
    /// Show every role of a theme in every number of colours
    #[command(after_help = "Example:\n  iaasmon theme preview high-contrast")]
    Preview(PreviewArgs),
}

/// Arguments of `theme check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The theme file
    pub file: PathBuf,
}

/// Arguments of `theme preview`.
#[derive(Debug, Clone, Args)]
pub struct PreviewArgs {
    /// The theme's name
    pub name: String,
}

/// Runs a command about themes.
pub fn run(command: &ThemeCommand, env: &Env, streams: &mut Streams<'_>) -> Result<Exit, AppError> {
    let folder = tui::theme_folder(env);
    match command {
        ThemeCommand::List => {
            for (name, origin) in theme::list(folder.as_deref()) {
                let origin = match origin {
                    Origin::BuiltIn => "built in".to_owned(),
                    Origin::File(path) => text::line(&path.to_string_lossy()).into_owned(),
                };
                writeln!(streams.out, "{} {origin}", text::pad(&name, 16))?;
            }
        }
        ThemeCommand::Check(args) => {
            let file = args.file.display().to_string();
            let text = std::fs::read_to_string(&args.file)
                .map_err(|error| AppError::usage(format!("cannot read {file}: {error}")))?;
            let faults = theme::check(&text, folder.as_deref());
            for fault in &faults {
                let message = text::line(&fault.message);
                writeln!(streams.out, "{file}:{}:{}: {message}", fault.line, fault.column)?;
            }
            if !faults.is_empty() {
                return Ok(Exit::Usage);
            }
        }
        ThemeCommand::Preview(args) => {
            let known = theme::list(folder.as_deref());
            if !known.contains_key(&args.name) {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let error = AppError::usage(format!("there is no theme `{}`", args.name));
                return Err(match nearest(&args.name, &names) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("there are {}", names.join(", "))),
                });
            }
            let (page, warnings) =
                theme::sample(&args.name, folder.as_deref(), Appearance::detect(env), streams.view.color);
            writeln!(streams.out, "{page}")?;
            for warning in warnings {
                writeln!(streams.err, "warning: {}", text::line(&warning))?;
            }
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::streams::View;

    fn run_with(command: ThemeCommand, home: &std::path::Path) -> (Result<Exit, AppError>, String, String) {
        let env: Env = [("HOME", home.to_str().expect("UTF-8"))].into_iter().collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams { out: &mut out, err: &mut err, view: View::default() };
        let exit = run(&command, &env, &mut streams);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (exit, text(out), text(err))
    }

    #[test]
    fn a_users_theme_is_listed_checked_and_shown() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join(".config/iaasmon/themes");
        std::fs::create_dir_all(&folder).expect("made");
        let file = folder.join("mine.toml");
        std::fs::write(&file, "inherits = \"dark\"\n[role]\nok = \"grean\"\n").expect("written");

        let (_, out, _) = run_with(ThemeCommand::List, home.path());
        assert!(out.contains("dark             built in\n"), "{out}");
        assert!(out.contains(&format!("mine             {}\n", file.display())), "{out}");

        let (exit, out, _) = run_with(ThemeCommand::Check(CheckArgs { file: file.clone() }), home.path());
        assert_eq!(exit.expect("an answer"), Exit::Usage);
        assert_eq!(
            out,
            format!("{}:3:6: `grean` is no colour (default, a name, 0..255, #rrggbb)\n", file.display())
        );

        let (exit, out, err) =
            run_with(ThemeCommand::Preview(PreviewArgs { name: "mine".into() }), home.path());
        assert_eq!(exit.expect("an answer"), Exit::Done);
        assert!(
            out.starts_with("ROLE                truecolor       256             16              mono\n"),
            "{out}"
        );
        assert!(out.contains("\ncritical            CRIT.           CRIT."), "{out}");
        assert_eq!(
            err,
            "warning: theme `mine`: line 3: `grean` is no colour (default, a name, 0..255, #rrggbb)\n"
        );

        let (exit, ..) = run_with(ThemeCommand::Preview(PreviewArgs { name: "drak".into() }), home.path());
        let error = exit.expect_err("no such theme");
        assert_eq!((error.exit, &*error.complaints[0].hints[0]), (Exit::Usage, "did you mean `dark`?"));
    }
}
