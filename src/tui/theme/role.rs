//! What a piece of the screen means. Views name roles, themes say how they look.

macro_rules! roles {
    ($($variant:ident $word:literal $doc:literal),* $(,)?) => {
        /// A meaning that a theme gives a look. Colours are by meaning and never by widget, so that a new view
        /// needs no new entry in any theme.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role { $(#[doc = $doc] $variant),* }

        impl Role {
            /// Every role, in the order in which theme files list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the role's key in theme files.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Says what the role is for.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc),* }
            }
        }
    };
}

roles! {
    Text "text" "Ordinary text.",
    Muted "muted" "Text that may be overlooked.",
    Title "title" "Headings and column names.",
    Border "border" "Rules and frames.",
    Key "key" "A key to press.",
    Selection "selection" "The row under the cursor.",
    SelectionUnfocused "selection_unfocused" "The chosen row of a pane without the focus.",
    Mark "mark" "A marked row.",
    Match "match" "What a search found.",
    Critical "critical" "CRIT.",
    Warning "warning" "WARN.",
    Info "info" "INFO.",
    Good "ok" "OK.",
    Unknown "unknown" "UNKN.",
    Stale "stale" "Data that is older than it should be.",
    Silenced "silenced" "An alert that a silence holds back.",
    Acked "acked" "An alert that somebody has taken.",
    New "new" "What came up since the last look.",
    Error "error" "Something that did not work.",
    Notice "notice" "Something to know.",
    Input "input" "A text field.",
    InputError "input_error" "A text field whose content is not valid.",
    Danger "danger" "The confirmation of something broad or destructive.",
    EnvProd "env_prod" "The word of a production cluster.",
    EnvTest "env_test" "The word of any other cluster.",
    DiffAdd "diff_add" "An added line.",
    DiffDel "diff_del" "A removed line.",
    Graph1 "graph_1" "The first curve.",
    Graph2 "graph_2" "The second curve.",
    GraphGrid "graph_grid" "The lines behind the curves.",
}
