//! `iaasmon serve pusher` and `iaasmon push` as processes: what reaches the gateways, whatever dies or hangs on the way.

#[path = "pusher/faults.rs"]
mod faults;
#[path = "pusher/gateway.rs"]
mod gateway;
#[path = "pusher/in_place.rs"]
mod in_place;
#[path = "pusher/push.rs"]
mod push;
#[path = "pusher/results.rs"]
mod results;
#[path = "faults/server.rs"]
#[allow(dead_code, reason = "the servers that misbehave belong to other tests")]
mod server;
mod support;
#[path = "pusher/world.rs"]
mod world;
