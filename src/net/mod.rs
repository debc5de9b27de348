//! The one HTTP client and the typed clients of Prometheus, Alertmanager and the detail API.
