#!/usr/bin/env python3
"""Alerts by the thousand: the nodes that they are about, and a sender like a Prometheus. scripts/bench-proxy measures with it.

  alerts.py nodes [--alerts N] [--misfits PERCENT]
      answers for the nodes of N alerts until it is ended; says "ready"
  alerts.py storm --to ADDRESS --member ADDRESS... [--alerts N] [--batch N] [--rounds N] [--every SECONDS]
      sends N alerts each so many seconds, waits for the queues, and prints what became of them: one `name value` a line
  alerts.py batches FILE --member ADDRESS [--alerts N] [--batch N]
      writes the alerts that this Alertmanager holds as requests, one a line; without --member those that a Prometheus sends
  alerts.py post FILE --to ADDRESS
      sends the requests of a file one after the other, prints seconds, and p50 and p99 of an answer in milliseconds

Of a hundred nodes nine refuse connections, one drops SYNs, five answer after 1 to 3 seconds, the others at once. --misfits 0
has all answer at once. All addresses are of 127.0.0.0/8.
"""

import argparse
import http.client
import json
import random
import resource
import select
import socket
import time

BLOCK = "127.96"
PORT = 10105
OUTPUT = (
    "DISK CRITICAL - free space: /var 812 MB (3% inode=91%); /var/lib/nova 20144 MB (9% inode=97%)\n"
    + "".join(f"/dev/mapper/vg0-lv{n:02d} on /srv/node/d{n} is at {70 + n}% of 3.6T, grows by 1.{n}% a day\n" for n in range(7))
)


def address(number):
    return f"{BLOCK}.{number // 250}.{number % 250 + 1}"


def kind(number, misfits=15):
    place = number * 37 % 100
    if place >= misfits:
        return "well"
    return "refuses" if place < 9 else "drops" if place < 10 else "slow"


# ---- nodes ----


def detail(number):
    body = {
        "v": 1,
        "check": f"check_disk_{number % 50}",
        "status": 2,
        "executed": time.strftime("%Y-%m-%dT%H:%M:%S.123Z", time.gmtime()),
        "interval": 60,
        "duration": 0.217,
        "stale": False,
        "client": f"hv-{number:05d}.r{number // 40}.east",
        "address": address(number),
        "output": OUTPUT,
        "output_bytes": len(OUTPUT),
        "output_truncated": False,
        "command": "/opt/plugins/check_disk -w 10% -c 5% -p /var -p /var/lib/nova --units MB",
        "issued": "2026-11-23T06:22:40.000Z",
        "handlers": ["mail", "slack"],
        "occurrences": 3,
        "last_ok": "2026-11-23T06:20:40.869Z",
        "status_since": "2026-11-23T06:21:40.869Z",
        "team": "storage",
        "runbook": "https://runbooks.example.net/check_disk",
    }
    text = json.dumps(body, separators=(",", ":")).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    return head % len(text) + text


def listen(number, backlog):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address(number), PORT))
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def nodes(options):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    poll, listeners, held, slow, answers = select.epoll(), {}, [], [], {}
    for number in range(options.alerts):
        which = kind(number, options.misfits)
        if which == "refuses":
            continue
        listener = listen(number, 0 if which == "drops" else 64)
        if which == "drops":
            # A full queue of connections that nobody takes: further SYNs are dropped.
            held.append(listener)
            for _ in range(2):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex((address(number), PORT))
                held.append(client)
            continue
        listeners[listener.fileno()] = (listener, number, which)
        poll.register(listener, select.EPOLLIN)
    print("ready", flush=True)
    chance, waiting, second = random.Random(7), {}, 0
    while True:
        now = time.monotonic()
        if int(now) != second:
            second = int(now)
            answers.clear()  # each second a check runs anew
        timeout = min([at - now for at, *_ in slow], default=1)
        for file, _ in poll.poll(max(timeout, 0.001)):
            if file in listeners:
                listener, number, which = listeners[file]
                try:
                    stream, _ = listener.accept()
                except OSError:
                    continue
                if which == "slow":
                    slow.append((now + chance.uniform(1, 3), stream, number))
                    continue
                stream.setblocking(False)
                waiting[stream.fileno()] = (stream, number)
                poll.register(stream, select.EPOLLIN)
            elif file in waiting:
                stream, number = waiting.pop(file)
                poll.unregister(stream)
                answer(stream, answers.get(number) or answers.setdefault(number, detail(number)))
        now = time.monotonic()
        for at, stream, number in [one for one in slow if one[0] <= now]:
            answer(stream, detail(number))
        slow = [one for one in slow if one[0] > now]


def answer(stream, words):
    try:
        if stream.recv(4096):
            stream.sendall(words)
    except OSError:
        pass  # who asked has gone
    stream.close()


# ---- alerts ----


def alert(number, since):
    check = f"check_disk_{number % 50}"
    return {
        "annotations": {
            "summary": f"{check} is critical on {address(number)}:{PORT}",
            "description": f"The check {check} of {address(number)}:{PORT} is CRITICAL for more than a minute.",
            "runbook_url": f"https://runbooks.example.net/{check}",
        },
        "endsAt": "@ENDS@",
        "startsAt": since,
        "generatorURL": "http://prometheus-a.east.example.net:9090/graph?g0.expr=iaasmon_check_status%3Abad+%3D%3D+2&g0.tab=1",
        "labels": {
            "alertname": "CheckCritical",
            "check": check,
            "cluster": "prod-east",
            "env": "prod",
            "instance": f"{address(number)}:{PORT}",
            "job": "iaasmon",
            "rack": f"r{number // 40}",
            "region": "east",
            "severity": "critical",
            "team": "storage",
        },
    }


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))


def requests(alerts, batch):
    for at in range(0, len(alerts), batch):
        yield b"[" + b",".join(alerts[at : at + batch]) + b"]"


class Sender:
    """One connection that is kept, and one request at a time, as a Prometheus has."""

    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self.stream = socket.create_connection((host, int(port)), timeout=10)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"POST /api/v2/alerts HTTP/1.1\r\nHost: {to}\r\nUser-Agent: Prometheus/2.42.0\r\nContent-Type: application/json\r\nContent-Length: "

    def post(self, body):
        begun = time.perf_counter()
        self.stream.sendall(f"{self.head}{len(body)}\r\n\r\n".encode() + body)
        got = b""
        while b"\r\n\r\n" not in got:
            piece = self.stream.recv(65536)
            if not piece:
                raise SystemExit("the connection was closed")
            got += piece
        head, _, rest = got.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(rest) < length:
            rest += self.stream.recv(65536)
        if not head.split(b" ", 2)[1].startswith(b"2"):
            raise SystemExit(f"refused: {(head + rest)[:300]!r}")
        return time.perf_counter() - begun


def held(member):
    connection = http.client.HTTPConnection(member, timeout=60)
    connection.request("GET", "/api/v2/alerts")
    return json.loads(connection.getresponse().read())


def pages(to):
    connection = http.client.HTTPConnection(to, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")


def total(page, name):
    return sum(float(value) for series, value in page.items() if series.split("{")[0] == name)


def quantile(times, part):
    return sorted(times)[min(int(part * len(times)), len(times) - 1)]


def storm(options):
    begun, since = time.monotonic(), stamp(-5)
    alerts = [json.dumps(alert(number, since), separators=(",", ":")).encode() for number in range(options.alerts)]
    sender, times, rounds = Sender(options.to), [], []
    reachable = {address(n) for n in range(options.alerts) if kind(n) in ("well", "slow")}
    for number in range(options.rounds):
        left = begun + number * options.every - time.monotonic()
        if left > 0:
            time.sleep(left)
        ends, first = stamp(240).encode(), time.monotonic()
        for body in requests([one.replace(b"@ENDS@", ends) for one in alerts], options.batch):
            times.append(sender.post(body))
        rounds.append(time.monotonic() - first)
        print(f"round {number + 1}: {rounds[-1]:.1f} s", flush=True)
        if number == 0:
            # Alertmanager sends what is there 30 s after it first heard of an alert: nothing that comes later is in a first mail.
            time.sleep(max(0, first + 28 - time.monotonic()))
            told = [
                sum(
                    one["labels"]["instance"].rsplit(":", 1)[0] in reachable and "check_output" in one["annotations"]
                    for one in held(member)
                )
                for member in options.member
            ]
            print(f"late_percent {100 - 100 * min(told) / len(reachable):.2f}", flush=True)
    while total(page := pages(options.to), "iaasmon_proxy_queue_length"):
        time.sleep(0.2)
    here = [{one["labels"]["instance"] for one in held(member)} for member in options.member]
    for name, part in ("p50", 0.5), ("p99", 0.99), ("max", 1):
        print(f"{name}_ms {1000 * quantile(times, part):.2f}")
    print(f"mean_ms {1000 * sum(times) / len(times):.2f}")
    print(f"longest_round_seconds {max(rounds):.2f}")
    print(f"missing {sum(options.alerts - len(one) for one in here)}")
    for name in "offered", "forwarded", "refused", "superseded", "expired":
        print(f"{name} {total(page, f'iaasmon_proxy_copies_{name}_total'):.0f}")
    for name in "alerts_known", "details_known", "details_bytes", "nodes_paused":
        print(f"{name} {total(page, f'iaasmon_proxy_{name}'):.0f}")


def batches(options):
    if options.member:
        keep = "annotations", "startsAt", "generatorURL", "labels"
        alerts = [{**{name: one[name] for name in keep}, "endsAt": "@ENDS@"} for one in held(options.member[0])]
    else:
        since = stamp(-5)
        alerts = [alert(number, since) for number in range(options.alerts)]
    lines = [json.dumps(one, separators=(",", ":")).encode() for one in alerts]
    with open(options.file, "wb") as out:
        for body in requests(lines, options.batch):
            out.write(body.replace(b"@ENDS@", stamp(86400).encode()) + b"\n")


def post(options):
    with open(options.file, "rb") as file:
        bodies = file.read().splitlines()
    sender = Sender(options.to)
    begun = time.perf_counter()
    times = [sender.post(body) for body in bodies]
    print(f"{time.perf_counter() - begun:.4f} {1000 * quantile(times, 0.5):.3f} {1000 * quantile(times, 0.99):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["nodes", "storm", "batches", "post"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--to")
    parser.add_argument("--member", action="append", default=[])
    parser.add_argument("--alerts", type=int, default=20000)
    parser.add_argument("--misfits", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=60)
    options = parser.parse_args()
    {"nodes": nodes, "storm": storm, "batches": batches, "post": post}[options.what](options)


if __name__ == "__main__":
    main()
