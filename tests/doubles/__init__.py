"""Stand-ins for servers that a test machine does not have, speaking their documented wire protocols over loopback."""
