use super::{Attended, Command, Ended, Finish, Outcome, Surroundings, attend, run};
use crate::sys::clock;
use std::time::Duration;

async fn shell(line: &str, limit: Option<f64>) -> Ended {
    with(line, limit, None, usize::MAX).await
}

async fn with(line: &str, limit: Option<f64>, stdin: Option<&[u8]>, keep: usize) -> Ended {
    let around = Surroundings::default();
    let command = Command {
        line: line.as_bytes(),
        stdin: stdin.map(<[u8]>::to_vec),
        limit: limit.map(Duration::from_secs_f64),
        keep,
        around: &around,
    };
    run(command, None).await
}

fn text(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.output).into_owned()
}

#[tokio::test]
async fn status_and_output_are_the_shells() {
    for (line, status, output) in [
        ("exit 255", 255, ""),
        ("exit 256", 0, ""),
        ("echo out; echo err >&2; echo out", 0, "out\nerr\nout\n"),
        ("echo before; kill -9 $$; echo after", 9, "before\n"),
        ("", 0, ""),
        ("printf 'a\\0\\377'; exit 3", 3, "a\0\u{fffd}"),
        ("kill -KILL $(sh -c 'echo $PPID')", 9, ""),
    ] {
        let ended = shell(line, None).await;
        assert_eq!(
            (ended.outcome.clone(), text(&ended).as_str()),
            (Outcome::Exited(status), output),
            "{line}"
        );
    }
    let missing = shell("/nonexistent/check_disk -w 80", None).await;
    assert_eq!(missing.outcome, Outcome::Exited(127));
    assert!(text(&missing).contains("/nonexistent/check_disk: not found"), "{missing:?}");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let ended = shell("echo a\0b", None).await;
    let Outcome::Failed(why) = &ended.outcome else { panic!("{ended:?}") };
    assert_eq!(why, "argument cannot contain null bytes: \"echo a\\0b\"");
    let long = format!("true {}", "x".repeat(200 * 1024));
    assert_eq!(shell(&long, None).await.outcome, Outcome::Failed("Argument list too long (7)".to_owned()));
}

#[tokio::test]
async fn input_is_given_to_those_who_read_it() {
    let bytes = vec![b'x'; 300_000];
    let ended = with("wc -c", None, Some(&bytes), usize::MAX).await;
    assert_eq!(text(&ended).trim(), "300000");
    let deaf = with("exec <&-; exit 1", None, Some(&bytes), usize::MAX).await;
    assert_eq!(deaf.outcome, Outcome::Exited(1));
}

#[tokio::test]
async fn only_so_much_output_is_kept_but_all_is_read() {
    let ended = with("head -c 3000000 /dev/zero; exit 2", None, None, 1000).await;
    assert_eq!(
        (ended.outcome, ended.output.len(), ended.output_bytes),
        (Outcome::Exited(2), 1000, 3_000_000)
    );
}

#[tokio::test]
async fn the_end_of_the_output_is_waited_for_and_the_end_of_the_shell() {
    let begun = clock::instant();
    let ended = shell("echo parent; (sleep 0.4; echo late) &", None).await;
    assert_eq!(text(&ended), "parent\nlate\n");
    assert!(begun.elapsed() >= Duration::from_millis(400));
    let begun = clock::instant();
    let ended = shell("exec >&- 2>&-; sleep 0.4; exit 2", None).await;
    assert_eq!(ended.outcome, Outcome::Exited(2));
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

/// Whether a process still runs whose command line holds `mark`.
fn runs(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(mark) && !line.contains("sh -c")
    })
}

#[tokio::test]
async fn at_the_limit_the_whole_group_ends_and_partial_output_is_gone() {
    let begun = clock::instant();
    let ended = shell("echo partial; sleep 31.4151", Some(0.2)).await;
    assert_eq!((&ended.outcome, ended.output.len()), (&Outcome::TimedOut, 0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!runs("sleep 31.4151"));
}

#[tokio::test]
async fn who_ignores_term_is_killed_though_its_shell_has_gone() {
    // The shell ends at TERM, its child does not: the original would leave it running.
    let ended = shell("sh -c \"trap '' TERM; exec sleep 31.4152\"; echo never", Some(0.2)).await;
    assert_eq!(ended.outcome, Outcome::TimedOut);
    assert!(ended.lingering.is_none());
    assert!(!runs("sleep 31.4152"));
}

async fn attended(line: &str, attended: Attended<'_>) -> Finish {
    let words = ["sh", "-c", line].map(Into::into);
    attend(&Attended { words: &words, keep: 10, tail: 8, ..attended }, None).await
}

#[tokio::test]
async fn who_waits_for_a_command_is_told_how_its_output_ended_also_at_the_limit() {
    let ended = attended("seq 1 1000", Attended::default()).await;
    assert_eq!((&*ended.output, &*ended.tail), (&b"1\n2\n3\n4\n5\n"[..], &b"99\n1000\n"[..]));
    assert_eq!((ended.output_bytes, ended.is_held), (3893, false));
    let limited = Attended { limit: Some(Duration::from_secs(1)), ..Attended::default() };
    let ended = attended("trap 'echo last; exit' TERM; echo a; sleep 31.4153 & wait", limited).await;
    assert_eq!((&ended.outcome, &*ended.output), (&Outcome::TimedOut, &b"a\nlast\n"[..]));
    assert!(!runs("sleep 31.4153"));
}

#[tokio::test]
async fn who_waits_for_a_command_is_told_its_end_as_a_shell_tells_it() {
    for (line, code) in
        [("exit 3", 3), ("kill -9 $$", 137), ("exec /nonexistent/backup", 127), ("exec /", 126)]
    {
        assert_eq!(attended(line, Attended::default()).await.outcome, Outcome::Exited(code), "{line}");
    }
}

#[tokio::test]
async fn who_waits_for_a_command_can_send_it_a_signal_and_it_takes_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("begun");
    let begin = format!("sh -c '> {}; exec sleep 31.4154' & wait", file.display());
    let line = format!("trap 'sleep 0.5; echo last; exit 5' TERM; echo a; {begin}");
    let words = ["sh", "-c", &line].map(Into::into);
    let sent = Attended { words: &words, keep: 100, ..Attended::default() };
    let pass = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent.running.pass(nix::sys::signal::Signal::SIGTERM);
    };
    let (ended, ()) = tokio::join!(attend(&sent, None), pass);
    assert_eq!((&ended.outcome, &*ended.output), (&Outcome::Exited(5), &b"a\nlast\n"[..]));
    assert!(!sent.running.is_so() && !runs("sleep 31.4154"));
}

#[tokio::test]
async fn a_command_that_has_ended_has_ended_though_what_it_began_has_its_output_in_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid = folder.path().join("pid");
    let line = format!("echo a; sleep 31.4155 & echo $! > {}; exit 4", pid.display());
    let begun = clock::instant();
    let limited = Attended { limit: Some(Duration::from_millis(1500)), ..Attended::default() };
    let ended = attended(&line, limited).await;
    assert_eq!((&ended.outcome, &*ended.output, ended.is_held), (&Outcome::Exited(4), &b"a\n"[..], true));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let pid = std::fs::read_to_string(pid).expect("it ran").trim().parse().expect("a number");
    // It runs on: the limit of one that has ended is no limit of others.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("it runs");
    // What comes late is not late while it is waited for.
    let ended = attended("echo a; (sleep 0.3; echo late) &", Attended::default()).await;
    assert_eq!((&*ended.output, ended.is_held), (&b"a\nlate\n"[..], false));
}

#[tokio::test]
async fn a_process_of_any_name_is_ended_at_the_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "trap '' TERM; echo $$ > pid; name=./s$(printf '\\377'); cp /bin/sleep $name; exec $name 1000";
    let around = Surroundings { folder: Some(folder.path().to_owned()), ..Surroundings::default() };
    let command = Command {
        line: line.as_bytes(),
        stdin: None,
        limit: Some(Duration::from_millis(500)),
        keep: 1024,
        around: &around,
    };
    let ended = run(command, None).await;
    assert_eq!((&ended.outcome, ended.lingering), (&Outcome::TimedOut, None));
    let pid = std::fs::read_to_string(folder.path().join("pid")).expect("it ran");
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a number"));
    assert_eq!(nix::sys::signal::kill(pid, None), Err(nix::errno::Errno::ESRCH), "it still runs");
}
