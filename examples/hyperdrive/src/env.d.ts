interface Env {
  HYPERDRIVE: Hyperdrive;
  FRESH: Hyperdrive;
}
