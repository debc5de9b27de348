//! Configuration: TOML text to validated types, every problem at once with its place.
