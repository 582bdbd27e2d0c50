<?php
// Commands for WP-CLI.
