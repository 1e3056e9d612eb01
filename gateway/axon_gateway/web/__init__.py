"""What browsers and scripts meet: the page, the HTTP interface, the live socket."""
