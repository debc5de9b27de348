//! `serve node` on every machine of a Kubernetes.

use super::{Component, Options, allowed, head};
use crate::generate::quoted;

/// Writes its document.
pub(super) fn documents(options: &Options) -> String {
    let daemons = DAEMONS.replace("@IMAGE@", &quoted(&options.image)).replace("@ALLOW@", &allowed(options));
    head("apps/v1", "DaemonSet", Component::Node, &options.namespace) + &daemons
}

const DAEMONS: &str = r#"spec:
  # Checks look at the machine, repair it, and find their interpreters, libraries and sudo on it. So they run in its file system
  # and see its processes and its network; a container of their own would be what they report on. Where the machine has systemd
  # and a way to put a unit on it, `iaasmon generate systemd node` does the same with less.
  # The namespace has to let privileged pods in (pod-security.kubernetes.io/enforce: privileged). The machine has Sensu's
  # definitions (/etc/sensu/config.json, /etc/sensu/conf.d), its plugins, /opt/sensu and the user sensu. The image has a shell,
  # cp, mv, mkdir and chroot beside iaasmon, which is linked statically.
  selector:
    matchLabels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: node }
  # Each that is away is a machine that nobody sees.
  updateStrategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 5% } }
  template:
    metadata:
      labels: { app.kubernetes.io/name: iaasmon, app.kubernetes.io/component: node }
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # Under the machine's own address, as every exporter: http://MACHINE:10105. No NetworkPolicy holds for it.
      hostNetwork: true
      dnsPolicy: Default
      hostPID: true
      # A machine without memory or disk is one that must be seen: pods of less importance are put out first.
      priorityClassName: system-node-critical
      tolerations:
        - operator: Exists
      # Checks that run are waited for.
      terminationGracePeriodSeconds: 120
      initContainers:
        # The program runs in the machine's file system, so it has to be there. Moved into place: the old one may still run.
        - name: program
          image: @IMAGE@
          command: [/bin/sh, -ec]
          args:
            - |
              mkdir -p /host/var/lib/iaasmon/bin /host/var/log/iaasmon
              cp /usr/local/bin/iaasmon /host/var/lib/iaasmon/bin/iaasmon.new
              mv /host/var/lib/iaasmon/bin/iaasmon.new /host/var/lib/iaasmon/bin/iaasmon
          resources:
            requests: { cpu: 10m, memory: 16Mi }
          securityContext: { runAsUser: 0 }
          volumeMounts:
            - { name: machine, mountPath: /host }
      containers:
        - name: node
          image: @IMAGE@
          command: [chroot, /host, /var/lib/iaasmon/bin/iaasmon]
          # It is root, and the checks are sensu. The log is moved away by itself at 100 MiB: nobody sends it USR2 here.
          args:
            - serve
            - node
            - --log=/var/log/iaasmon/runner.log
            - --rotate-size=104857600
            - --state-dir=/var/lib/iaasmon
            - --environment=sensu@ALLOW@
          ports:
            - { name: http, containerPort: 10105, hostPort: 10105, protocol: TCP }
          # It answers once it has read what the log holds already.
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
            periodSeconds: 30
            timeoutSeconds: 10
          # No limit of memory: where one check goes past it, all of the container would be ended, the runner with it.
          resources:
            requests: { cpu: 100m, memory: 64Mi }
          # Checks become other users by sudo, read disks, and look into every process.
          securityContext: { privileged: true, runAsUser: 0 }
          volumeMounts:
            # What is mounted on the machine later is seen, too.
            - { name: machine, mountPath: /host, mountPropagation: HostToContainer }
      volumes:
        - name: machine
          hostPath: { path: /, type: Directory }
"#;
