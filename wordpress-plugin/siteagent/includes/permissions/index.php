<?php
// What the owner of the site allows the dashboard to do.
