<?php
// The connection to a dashboard: pairing, keys, encryption, the site's identity, address changes, disconnecting and calls to the dashboard.
