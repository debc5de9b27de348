//! Bytes of foreign formats to and from the model: one file a format, no I/O.
