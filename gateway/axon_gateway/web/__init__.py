"""What browsers and scripts connect to: the page, the HTTP interface, the live socket."""
