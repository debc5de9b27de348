//! What a check prints. Believable, in the shapes that real plugins have: one line with performance
//! data, tables, several screens, Japanese, ANSI colours.

use super::checks::Family;
use super::scenario::{disk_fills, disk_times};
use super::{Check, Node, Plan, Role, State};
use crate::model::status::Status;
use std::fmt::Write as _;

/// One run of a check.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) node: &'a Node,
    pub(super) check: &'a Check,
    pub(super) state: State,
    /// When it ran, in seconds from the scenario's start.
    pub(super) at: i64,
    /// Looks random, the same for the same run.
    pub(super) chance: u64,
}

impl Run<'_> {
    /// Returns a number from 0 to 1 that belongs to this run.
    fn wobble(&self) -> f64 {
        f64::from(u16::try_from(self.chance & 0xffff).unwrap_or_default()) / 65_536.0
    }

    /// Chooses by status: OK, WARN, CRIT, UNKNOWN.
    fn pick<T>(&self, [ok, warn, crit, unknown]: [T; 4]) -> T {
        match self.state.status {
            Status::Ok => ok,
            Status::Warn => warn,
            Status::Crit => crit,
            Status::Unknown => unknown,
        }
    }

    /// The word that plugins print, which is not the one on our screens.
    fn word(&self) -> &'static str {
        self.pick(["OK", "WARNING", "CRITICAL", "UNKNOWN"])
    }
}

/// Returns the output of one run.
pub(super) fn text(run: &Run<'_>) -> String {
    if run.state.status == Status::Unknown && !matches!(run.check.family, Family::Sensors) {
        return trouble(run);
    }
    match run.check.family {
        Family::Disk(mount) => disk(run, mount),
        Family::Load => load(run),
        Family::Memory => memory(run),
        Family::Certificate => certificate(run),
        Family::Smart => smart(run),
        Family::Sensors => sensors(run),
        Family::Ntp => ntp(run),
        Family::Dns => dns(run),
        Family::Raid => raid(run),
        Family::Service(unit) => service(run, unit),
        Family::Ceph => ceph(run),
        Family::Http(name) => http(run, name),
        Family::Ping => ping(run),
        Family::Kubelet => kubelet(run),
        Family::Queue => queue(run),
        Family::Puppet => puppet(run),
        Family::Gauge(measure, usual, bound) => gauge(run, measure, usual, bound),
    }
}

/// Returns the command line of a check, as its definition has it.
pub(super) fn command(check: &Check) -> String {
    let plugin = check.name.trim_start_matches("check_");
    match check.family {
        Family::Disk(mount) => format!("/usr/lib/nagios/plugins/check_disk -w 10% -c 5% -p {mount}"),
        Family::Http(name) => format!("/etc/sensu/plugins/check-api.rb --service {name} --password=REDACTED"),
        Family::Gauge(_, _, bound) => {
            format!("/etc/sensu/plugins/check-{plugin}.sh -w {bound} -c {}", bound * 1.2)
        }
        _ => format!("/etc/sensu/plugins/check-{plugin}.rb"),
    }
}

/// A check that could not do its work: a script's own failure, as it comes.
fn trouble(run: &Run<'_>) -> String {
    format!(
        "Traceback (most recent call last):\n  File \"/etc/sensu/plugins/{name}.py\", line 48, in <module>\n    \
         main(sys.argv[1:])\n  File \"/etc/sensu/plugins/{name}.py\", line 31, in main\n    \
         state = read_state(\"/var/lib/{name}/state\")\nOSError: [Errno 28] No space left on device: \
         '/var/lib/{name}/state'\n",
        name = run.check.name
    )
}

/// Returns how full the disk is, in per cent.
fn fullness(run: &Run<'_>, mount: &str) -> i64 {
    let base = 30 + i64::try_from(run.chance >> 56).unwrap_or_default() % 30;
    if mount == "/var" && disk_fills(run.plan, run.node) {
        let (warn, crit) = disk_times(run.node.slot);
        return match run.at {
            at if at >= crit => (95 + (at - crit) / 20).min(100),
            at if at >= warn => 90 + (at - warn) * 5 / (crit - warn),
            at => (89 - (warn - at) / 10).max(60),
        };
    }
    run.pick([base, 92, 97, base])
}

fn disk(run: &Run<'_>, mount: &str) -> String {
    const SIZE_MIB: i64 = 200_000;
    let percent = fullness(run, mount);
    let (used, free) = (SIZE_MIB * percent / 100, SIZE_MIB * (100 - percent) / 100);
    let mut text = format!(
        "DISK {} - free space: {mount} {free} MiB ({}% inode=93%);| {mount}={used}MiB;180000;190000;0;{SIZE_MIB}\n",
        run.word(),
        100 - percent,
    );
    if run.state.status != Status::Ok {
        let (gib, of) = (used / 1024, SIZE_MIB / 1024);
        write!(
            text,
            "Filesystem      Size  Used Avail Use% Mounted on\n/dev/mapper/vg0-{0:<6} {of}G  {gib}G  {1}G  {percent}% {mount}\n\
             --- largest below {mount} ---\n{2}G\t{mount}/log/openvswitch\n{3}G\t{mount}/lib/nova/instances/_base\n\
             11G\t{mount}/log/journal\n4.2G\t{mount}/cache/apt\n",
            mount.trim_start_matches('/'),
            free / 1024,
            gib * 6 / 10,
            gib * 2 / 10,
        )
        .expect("a string takes everything");
    }
    text
}

fn load(run: &Run<'_>) -> String {
    let load = run.pick([4.0, 58.0, 171.0, 0.0]) + run.wobble() * 3.0;
    let mut text = format!(
        "{} - load average: {load:.2}, {:.2}, {:.2}|load1={load:.3};48.000;96.000;0; load5={:.3};40.000;80.000;0;\n",
        run.word(),
        load * 0.9,
        load * 0.7,
        load * 0.9
    );
    if run.state.status != Status::Ok {
        text.push_str(
            "    PID USER      PR  NI    RES  S  %CPU  %MEM     TIME+ COMMAND\n\
             \u{20} 21877 libvirt+  20   0  16.2g  S 803.1   6.4   9811:02 qemu-system-x86\n\
             \u{20} 30114 ceph      20   0   5.1g  D  96.3   2.0   1302:44 ceph-osd\n\
             \u{20}   911 root      20   0   1.1g  S  14.0   0.4    501:10 ovs-vswitchd\n",
        );
    }
    text
}

fn memory(run: &Run<'_>) -> String {
    let percent = run.pick([48.0, 91.0, 98.0, 0.0]) + run.wobble();
    format!(
        "MEM {} - {percent:.1}% of 251.6 GiB used|used={:.0}MB;231000;250000;0;257638\n",
        run.word(),
        percent * 2576.38
    )
}

fn certificate(run: &Run<'_>) -> String {
    let days = run.pick([212, 19, 3, 0]);
    format!(
        "SSL {} - certificate `{}` expires in {days} days (2026-12-14 08:00:00 +0000)\n\
         issuer: CN=Example Infrastructure CA G2, O=Example K.K.\nSAN: {}, localhost\n",
        run.word(),
        run.node.name,
        run.node.name
    )
}

/// `smartctl -a` as it comes: long, and the bad line is not the first.
fn smart(run: &Run<'_>) -> String {
    let healthy = run.state.status == Status::Ok;
    let (verdict, warning, spare, used) = run.pick([
        ("PASSED", "0x00", 100, 23),
        ("PASSED", "0x00", 14, 91),
        ("FAILED!\n- available spare has fallen below threshold\n- NVM subsystem reliability has been degraded", "0x05", 3, 118),
        ("PASSED", "0x00", 100, 0),
    ]);
    let mut text = format!(
        "smartctl 7.3 2022-02-28 r5338 [x86_64-linux-6.1.0-28-amd64] (local build)\n\
         Copyright (C) 2002-22, Bruce Allen, Christian Franke, www.smartmontools.org\n\n\
         === START OF INFORMATION SECTION ===\n\
         Model Number:                       SAMSUNG MZQL23T8HCLS-00A07\n\
         Serial Number:                      S64HNE0T{:06}\n\
         Firmware Version:                   GDC5602Q\n\
         Total NVM Capacity:                 3,840,755,982,336 [3.84 TB]\n\n\
         === START OF SMART DATA SECTION ===\n\
         SMART overall-health self-assessment test result: {verdict}\n\n\
         SMART/Health Information (NVMe Log 0x02)\n\
         Critical Warning:                   {warning}\n\
         Temperature:                        41 Celsius\n\
         Available Spare:                    {spare}%\n\
         Available Spare Threshold:          10%\n\
         Percentage Used:                    {used}%\n\
         Data Units Read:                    412,883,110 [211 TB]\n\
         Data Units Written:                 1,290,442,871 [660 TB]\n\
         Power On Hours:                     31,204\n\
         Unsafe Shutdowns:                   12\n\
         Media and Data Integrity Errors:    {}\n",
        run.node.index,
        if healthy { 0 } else { 417 },
    );
    if !healthy {
        text.push_str("\nError Information (NVMe Log 0x01, 64 of 64 entries)\nNum   ErrCount  SQId   CmdId  Status  PELoc          LBA  NSID\n");
        for number in 0..64_u64 {
            let lba = (run.chance >> 20).wrapping_add(number * 7919) % 7_000_000_000;
            writeln!(
                text,
                "{number:>3} {:>10} {:>5}  0x{:04x}  0x4004      - {lba:>12}     1",
                417 - number,
                number % 16 + 1,
                number * 37
            )
            .expect("a string takes everything");
        }
    }
    text
}

/// The hardware team writes its checks in Japanese.
fn sensors(run: &Run<'_>) -> String {
    let head = run.pick([
        "正常: 全センサー 42 個が正常範囲内です",
        "警告: 電源の冗長性が失われました (PSU2 入力なし)",
        "異常: 電源ユニット PSU1 の入力電圧が失われました",
        "不明: IPMI デバイスに接続できません (/dev/ipmi0: タイムアウト)",
    ]);
    if run.state.status == Status::Unknown {
        return format!("{head}\nipmitool: Could not open device at /dev/ipmi0 or /dev/ipmi/0\n");
    }
    let [first, second] =
        run.pick([["正常", "正常"], ["正常", "入力なし"], ["入力なし", "入力なし"], ["", ""]]);
    format!(
        "{head}\nセンサー名        | 値          | 状態\n------------------+-------------+---------\n\
         吸気温度 (Inlet)  | 24 度       | 正常\n排気温度 (Exhaust)| 38 度       | 正常\n\
         CPU1 温度         | 54 度       | 正常\nファン 1 (FAN1)   | 7200 回転/分| 正常\n\
         PSU1 入力         | {} V       | {first}\nPSU2 入力         | {} V       | {second}\n設置場所: ラック {} / {}\n",
        if first == "正常" { 201 } else { 0 },
        if second == "正常" { 200 } else { 0 },
        run.node.rack,
        run.node.pdu,
    )
}

fn ntp(run: &Run<'_>) -> String {
    let offset = run.pick([0.000_2, 0.31, 4.2, 0.0]) * (0.5 + run.wobble());
    format!(
        "NTP {}: Offset {offset:.6} secs, stratum best:2 worst:3|offset={offset:.6}s;0.200000;1.000000;\n",
        run.word()
    )
}

fn dns(run: &Run<'_>) -> String {
    match run.state.status {
        Status::Ok => format!(
            "DNS OK: 0.{:03} seconds response time. {} returns {}|time=0.006s;;;0.000000\n",
            run.chance % 20,
            run.node.name,
            run.node.address
        ),
        _ => ";; communications error to 10.0.0.53#53: timed out\n;; communications error to 10.0.1.53#53: timed out\n\
              ;; no servers could be reached\nDNS CRITICAL - no answer within 10 seconds\n"
            .to_owned(),
    }
}

fn raid(run: &Run<'_>) -> String {
    let [state, members] = run.pick([
        ["clean", "[2/2] [UU]"],
        ["active, resyncing", "[2/2] [UU]"],
        ["clean, degraded", "[2/1] [U_]"],
        ["", ""],
    ]);
    format!(
        "RAID {}: md0 {state}\nPersonalities : [raid1]\nmd0 : active raid1 sdb2[1] sda2[0]\n      \
         467584 blocks super 1.2 {members}\n\nunused devices: <none>\n",
        run.word()
    )
}

/// `systemctl status` with its colours, as it is when a script forces them.
fn service(run: &Run<'_>, unit: &str) -> String {
    let (dot, state) = run.pick([
        ("\u{1b}[0;32m●\u{1b}[0m", "\u{1b}[0;32mactive (running)\u{1b}[0m"),
        ("\u{1b}[0;33m●\u{1b}[0m", "\u{1b}[0;33mreloading\u{1b}[0m"),
        ("\u{1b}[0;31m×\u{1b}[0m", "\u{1b}[0;31mfailed\u{1b}[0m (Result: exit-code)"),
        ("?", "unknown"),
    ]);
    let mut text = format!(
        "{}: {unit}.service\n{dot} {unit}.service - {unit}\n     \
         Loaded: loaded (/lib/systemd/system/{unit}.service; enabled; preset: enabled)\n     Active: {state}\n",
        run.word()
    );
    if run.state.status == Status::Crit {
        write!(
            text,
            "    Process: 21877 ExecStart=/usr/bin/{unit} (code=exited, status=1/FAILURE)\n\n\
             {unit}[21877]: \u{1b}[1;31mERROR\u{1b}[0m cannot write /var/lib/{unit}/state: No space left on device\n\
             systemd[1]: {unit}.service: Main process exited, code=exited, status=1/FAILURE\n\
             systemd[1]: {unit}.service: Failed with result 'exit-code'.\n"
        )
        .expect("a string takes everything");
    }
    text
}

fn ceph(run: &Run<'_>) -> String {
    let [health, detail] = run.pick([
        ["HEALTH_OK", ""],
        ["HEALTH_WARN", "            1 nearfull osd(s)\n            Degraded data redundancy: 2114/9183022 objects degraded (0.023%)\n"],
        ["HEALTH_ERR", "            3 osds down\n            1 host (20 osds) down\n            Reduced data availability: 41 pgs inactive\n"],
        ["", ""],
    ]);
    format!(
        "  cluster:\n    id:     6f0c8a52-2d0d-4b5e-9a3e-5f1c4a1d7e11\n    health: {health}\n{detail}\n  services:\n    \
         mon: 5 daemons, quorum a,b,c,d,e (age 9w)\n    mgr: a(active, since 4w), standbys: b, c\n    \
         osd: 1240 osds: {} up (since 4m), 1240 in (since 5w)\n\n  data:\n    pools:   14 pools, 32768 pgs\n    \
         objects: 9.18M objects, 34 TiB\n    usage:   104 TiB used, 4.5 PiB / 4.6 PiB avail\n",
        if run.state.status == Status::Crit { 1237 } else { 1240 }
    )
}

fn http(run: &Run<'_>, name: &str) -> String {
    let (code, seconds) =
        run.pick([("200 OK", 0.08), ("200 OK", 4.7), ("503 Service Unavailable", 0.01), ("", 0.0)]);
    format!(
        "HTTP {}: HTTP/1.1 {code} - 1284 bytes in {:.3} second response time, {name} api v3|time={:.6}s;3.000000;10.000000;0.000000\n",
        run.word(),
        seconds + run.wobble() / 100.0,
        seconds
    )
}

fn ping(run: &Run<'_>) -> String {
    let (loss, time) = run.pick([(0, 0.21), (20, 180.0), (100, 0.0), (0, 0.0)]);
    format!(
        "PING {} - Packet loss = {loss}%, RTA = {time:.2} ms|rta={time:.6}ms;100.000000;500.000000;0.000000 pl={loss}%;20;60;0\n",
        run.word()
    )
}

fn kubelet(run: &Run<'_>) -> String {
    match run.state.status {
        Status::Ok => format!("OK: kubelet is healthy, {} pods, PLEG 0.02s\n", 40 + run.chance % 60),
        _ => format!(
            "{}: PLEG is not healthy: pleg was last seen active 4m12s ago; threshold is 3m0s\n\
             NAME{:20}STATUS     ROLES    AGE    VERSION\n{:<24}NotReady   <none>   412d   v1.31.4\n\
             Conditions:\n  MemoryPressure   Unknown   NodeStatusUnknown   Kubelet stopped posting node status.\n  \
             DiskPressure     Unknown   NodeStatusUnknown   Kubelet stopped posting node status.\n",
            run.word(),
            "",
            run.node.name
        ),
    }
}

fn queue(run: &Run<'_>) -> String {
    let waiting = run.pick([12, 4_120, 88_311, 0]);
    format!(
        "RABBITMQ {} - {waiting} messages ready\n{:<48}{:>9}{:>10}\nnotifications.info{waiting:>39}{:>10}\n\
         reply_8c1f3c6d7ba94cf2{:>35}{:>10}\n|ready={waiting};1000;10000\n",
        run.word(),
        "queue",
        "ready",
        "consumers",
        if waiting > 10_000 { 0 } else { 3 },
        0,
        1
    )
}

fn puppet(run: &Run<'_>) -> String {
    match run.state.status {
        Status::Ok => "OK: last run 12 minutes ago, 0 failed of 1188 resources\n".to_owned(),
        _ => format!(
            "{}: last run 7 hours ago\n\u{1b}[1;31mError: /Stage[main]/Nova::Compute/Service[nova-compute]: \
             Could not evaluate: 実行環境に接続できません\u{1b}[0m\n\u{1b}[0;36mNotice: Applied catalog in 41.22 seconds\u{1b}[0m\n",
            run.word()
        ),
    }
}

fn gauge(run: &Run<'_>, measure: &str, usual: f64, bound: f64) -> String {
    let value = run.pick([usual, bound * 1.05, bound * 1.6 + 1.0, 0.0]) + run.wobble() * usual * 0.1;
    let team = match run.node.role {
        Role::Storage => "storage",
        _ => "infra",
    };
    format!(
        "{} {}: {measure} is {value:.2} (bound {bound}), owner {team}|{measure}={value:.2};{bound};{:.2};0;\n",
        run.check.name.trim_start_matches("check_").to_uppercase(),
        run.word(),
        bound * 1.2
    )
}
