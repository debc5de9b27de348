//! A pushgateway: one, with a disk that goes where it goes.

use super::{Component, Options, allowed, head};
use crate::generate::quoted;

/// Writes its documents.
pub(super) fn documents(options: &Options) -> String {
    let head = |api: &str, kind: &str| head(api, kind, Component::Pushgateway, &options.namespace);
    let set = SET.replace("@IMAGE@", &quoted(&options.image)).replace("@ALLOW@", &allowed(options));
    head("apps/v1", "StatefulSet") + &set + &head("v1", "Service") + SERVICE
}

const SET: &str = r#"spec:
  # One: two behind one address would each hold a part of what is pushed. Who wants a second one writes it with another name and
  # pushes to both. Its file is one pod's at a time, which a StatefulSet promises and a Deployment does not.
  replicas: 1
  serviceName: iaasmon-pushgateway
  selector:
    matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: pushgateway }
  template:
    metadata:
      labels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: pushgateway }
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # At its end it writes what is not yet on the disk.
      terminationGracePeriodSeconds: 120
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        runAsGroup: 65534
        fsGroup: 65534
        seccompProfile: { type: RuntimeDefault }
      containers:
        - name: pushgateway
          image: @IMAGE@
          command: [/usr/local/bin/iaasmon]
          args:
            - serve
            - pushgateway
            - --persistence.file=/var/lib/iaasmon/pushgateway.redb@ALLOW@
          ports:
            - { name: http, containerPort: 9091, protocol: TCP }
          # It answers once it has read what its file holds.
          startupProbe:
            httpGet: { path: /-/healthy, port: http }
            periodSeconds: 5
            failureThreshold: 60
          # A disk that hangs holds it up, and a new start does not mend that: five minutes.
          livenessProbe:
            httpGet: { path: /-/healthy, port: http }
            periodSeconds: 30
            timeoutSeconds: 10
            failureThreshold: 10
          readinessProbe:
            httpGet: { path: /-/ready, port: http }
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 3
          resources:
            requests: { cpu: 100m, memory: 128Mi }
            # Bounds of its own: 1 GiB of groups (--limit), 1 GiB of pushes that are read, 512 MiB of pages that are sent.
            limits: { memory: 4Gi }
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: state, mountPath: /var/lib/iaasmon }
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        # It holds twice --limit at most, and its file is made smaller once it is three times as large as what it holds.
        resources: { requests: { storage: 8Gi } }
"#;

const SERVICE: &str = r#"spec:
  # One that cannot write stays: it refuses pushes with the reason, and Prometheus still scrapes what it has. Who may push is for
  # you to say, by a NetworkPolicy or by --web.config.file.
  publishNotReadyAddresses: true
  selector: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: pushgateway }
  ports:
    - { name: http, port: 9091, targetPort: http, protocol: TCP }
"#;
