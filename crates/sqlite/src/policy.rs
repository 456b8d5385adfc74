//! What Cloudflare lets user-written SQL do. Shared by everything that runs it.
