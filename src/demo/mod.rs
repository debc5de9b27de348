//! A fleet to try things on: real servers on loopback and simulated nodes.
