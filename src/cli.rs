//! The command line: a contract others script against. Add to it, never break it.
//!
//! Exit codes: 0 success, 1 a negative result (a fault found, a check failed), 2 wrong use or configuration.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use stopline_types::UtcUs;

/// Traffic cameras to reviewed, provable violations and searchable traffic history.
#[derive(Debug, Parser)]
#[command(name = "stopline", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The configuration folder, the same for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArg {
    /// Folder with stopline.toml (optional) and cameras/*.toml.
    #[arg(long = "config", value_name = "DIR", default_value = "config", env = "STOPLINE_CONFIG", global = true)]
    pub dir: PathBuf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process: cameras, detection, store and pages.
    Run {
        #[command(flatten)]
        config: ConfigArg,
        /// Stop after so many seconds.
        #[arg(long, value_name = "S", value_parser = parse_seconds)]
        duration: Option<f64>,
        /// Print each event once it is durable, one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Cameras and detection only: events go to Kafka (`kafka` in stopline.toml), proofs stay in the data folder here.
    Edge {
        #[command(flatten)]
        config: ConfigArg,
        /// Stop after so many seconds.
        #[arg(long, value_name = "S", value_parser = parse_seconds)]
        duration: Option<f64>,
        /// Print each event once it is durable, one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// A file as a camera: prints its events.
    Replay(ReplayArgs),
    /// Checks configuration, models, libraries, store and every camera; prints a table.
    Check {
        #[command(flatten)]
        config: ConfigArg,
        /// Do not connect to the cameras.
        #[arg(long)]
        offline: bool,
        /// Seconds a camera may take to answer.
        #[arg(long, value_name = "S", default_value_t = 8.0)]
        timeout: f64,
        /// One JSON object instead of tables.
        #[arg(long)]
        json: bool,
    },
    /// Cameras: adding one, and handing them to the edges that share them.
    Camera {
        #[command(subcommand)]
        action: CameraAction,
    },
    /// Brings the store's tables to this version's form.
    Migrate {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Takes events from Kafka and writes them to the store; several may share the work.
    Sink {
        #[command(flatten)]
        config: ConfigArg,
        /// Stop after so many seconds.
        #[arg(long, value_name = "S", value_parser = parse_seconds)]
        duration: Option<f64>,
    },
    /// Checks an evidence package, or every package below a folder, offline.
    Verify {
        #[command(flatten)]
        config: ConfigArg,
        /// A package, or a folder of packages. Of a bucket: s3://BUCKET/…, reached as evidence.bucket in stopline.toml says.
        path: PathBuf,
        /// The public key to trust (public.pem); the evidence folder's own unless given.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// The key that evidence is signed with.
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Models: which there are, whether they are what they should be, fetching one.
    Models {
        #[command(flatten)]
        config: ConfigArg,
        #[command(subcommand)]
        action: ModelsAction,
    },
    /// Number plates in pictures.
    ReadPlates(ReadPlatesArgs),
    /// Average speeds between two cameras, of recorded events.
    Sections(SectionsArgs),
    /// Users of the pages.
    User {
        #[command(flatten)]
        config: ConfigArg,
        #[command(subcommand)]
        action: UserAction,
    },
    /// A camera's scene: drawn on a frame; its signal heads and its detector on a clip.
    Scene {
        #[command(flatten)]
        config: ConfigArg,
        #[command(subcommand)]
        action: SceneAction,
    },
    /// Events against ground truth: found, missed, false.
    Score(ScoreArgs),
    /// Figures of this machine: decoded and analysed frames a second, beside what the libraries do alone.
    Bench(BenchArgs),
    /// Simulated cameras (or yours), the engine on the embedded store, the pages, a live table.
    Demo(DemoArgs),
    /// The embedded ClickHouse's process. Started by the engine.
    #[command(hide = true)]
    Chdb {
        /// What the engine hands over, as JSON.
        #[arg(long)]
        args: String,
    },
}

/// `key`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KeyAction {
    /// Makes a new key pair in the place of the old one, which signs for it first. Chains go on.
    Change {
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// `camera`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CameraAction {
    /// Looks at a camera and writes cameras/ID.toml to start from, with a preview picture beside it.
    Add(CameraAddArgs),
    /// Writes cameras/*.toml onto the topic that edges share their cameras from (`kafka.sharing` in stopline.toml).
    Publish {
        #[command(flatten)]
        config: ConfigArg,
        /// Remove cameras from the topic that have no file here.
        #[arg(long)]
        prune: bool,
    },
}

/// `camera add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CameraAddArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// rtsp:// or rtsps:// address of the large stream; `-` reads it from standard input, where other users of the
    /// machine do not see its password.
    #[arg(value_name = "RTSP_URL")]
    pub url: String,
    /// Address of the small stream, which is then the analysed one.
    #[arg(long, value_name = "RTSP_URL")]
    pub sub: Option<String>,
    /// Its id; made of the host unless given.
    #[arg(long)]
    pub id: Option<String>,
    /// Its name for people.
    #[arg(long)]
    pub name: Option<String>,
    /// Seconds the camera may take to answer.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub timeout: f64,
}

/// `replay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// The video file.
    pub file: PathBuf,
    /// The camera whose scene and rules apply.
    #[arg(long, value_name = "ID")]
    pub camera: String,
    /// UTC time of the file's first frame, RFC 3339. Else the file's own creation time; else a nominal one.
    #[arg(long, value_name = "UTC", value_parser = UtcUs::parse)]
    pub start: Option<UtcUs>,
    /// Decode key frames only while the road is quiet, as a camera with `streams.gate` does.
    #[arg(long)]
    pub gate: bool,
    /// One JSON object a line for every event, in order of time.
    #[arg(long)]
    pub json: bool,
    /// Write an evidence package for each violation below this folder.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// Write a picture of each violation's moment, with its box, into this folder.
    #[arg(long, value_name = "DIR")]
    pub stills: Option<PathBuf>,
    /// Write what the detector saw, one JSON object a frame: for judging tracker and rules again without it.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// `read-plates`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReadPlatesArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// JPEG or PNG: of a road, of one vehicle, or of a plate alone.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// One JSON object a line for every picture, in the order given.
    #[arg(long)]
    pub json: bool,
}

/// `models`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ModelsAction {
    /// The manifest, with licences and whether each file is there.
    List,
    /// Checks every present file's sha256; fails if the configured model is missing or wrong.
    Verify,
    /// Takes a model from its release page, or from a file, and checks its sha256.
    Fetch {
        /// Its name in the manifest.
        name: String,
        /// Take it from this file instead of the network.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

/// `scene`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SceneAction {
    /// Draws lanes, lines, zones, signal heads and the metre grid on a frame. Without --frame or --video the frame is
    /// taken from the camera.
    Preview {
        /// The camera.
        #[arg(long, value_name = "ID")]
        camera: String,
        /// Draw on this picture (PNG or JPEG).
        #[arg(long, value_name = "IMAGE", conflicts_with = "video")]
        frame: Option<PathBuf>,
        /// Draw on a frame of this clip.
        #[arg(long, value_name = "FILE")]
        video: Option<PathBuf>,
        /// Second of the clip.
        #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = parse_seconds)]
        at: f64,
        /// Where to write the picture.
        #[arg(long, value_name = "PNG", default_value = "scene.png")]
        out: PathBuf,
    },
    /// The phases of the signal heads in a clip; with a truth, the share of frames that are right.
    Signals {
        /// The clip.
        clip: PathBuf,
        /// The camera whose scene applies.
        #[arg(long, value_name = "ID")]
        camera: String,
        /// A rendered clip's truth.json, or one made by hand.
        #[arg(long, value_name = "FILE")]
        truth: Option<PathBuf>,
        /// JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What the detector finds of a clip's true road users, by class, frame by frame.
    Recall {
        /// The clip.
        clip: PathBuf,
        /// The camera whose scene applies.
        #[arg(long, value_name = "ID")]
        camera: String,
        /// A rendered clip's truth.json, or one made by hand.
        #[arg(long, value_name = "FILE")]
        truth: PathBuf,
        /// Analyse this part instead of the scene's region: whole, or X,Y,W,H in fractions of the frame.
        #[arg(long, value_name = "PART")]
        region: Option<String>,
        /// Look at every so many frames.
        #[arg(long, value_name = "N", default_value_t = 5)]
        every: u64,
        /// JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

impl SceneAction {
    /// The camera it is about.
    pub(crate) fn camera(&self) -> &str {
        let (Self::Preview { camera, .. } | Self::Signals { camera, .. } | Self::Recall { camera, .. }) = self;
        camera
    }
}

/// `user`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum UserAction {
    /// Makes a user; the password is read from standard input, one line.
    Add {
        /// Log-in name.
        name: String,
        /// viewer, reviewer, approver, analyst, operator, auditor or admin.
        #[arg(long, default_value = "reviewer")]
        role: String,
    },
    /// A log-in link for one use within 15 minutes.
    Link {
        /// Log-in name.
        name: String,
    },
}

/// `stopline sections`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SectionsArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// Events of both cameras as `replay --json` prints them, in one file or several; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub events: Vec<PathBuf>,
    /// Takes this for the error of all times instead of what the events say, milliseconds: to see what better clocks would
    /// bring. Events of unknown error accuse nobody.
    #[arg(long, value_name = "MS")]
    pub clock_error_ms: Option<f64>,
    /// Violations, one JSON object a line, instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `score`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    pub config: ConfigArg,
    /// The truth: a rendered clip's truth.json, or one made by hand.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// Events to judge, as `replay --json` prints them; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "replay", required_unless_present = "replay")]
    pub events: Option<PathBuf>,
    /// Replay this clip and judge its events.
    #[arg(long, value_name = "FILE", requires = "camera")]
    pub replay: Option<PathBuf>,
    /// With --replay: decode key frames only while the road is quiet.
    #[arg(long, requires = "replay")]
    pub gate: bool,
    /// The camera whose scene applies, with --replay.
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// Fail (exit 1) when a rule's recall is below this, 0 to 1.
    #[arg(long, value_name = "R")]
    pub min_recall: Option<f64>,
    /// Fail (exit 1) when a rule's precision is below this, 0 to 1.
    #[arg(long, value_name = "P")]
    pub min_precision: Option<f64>,
    /// Fail (exit 1) when less is reached than this file's `[replay]` says (`fixtures/*/floor.toml`).
    #[arg(long, value_name = "FILE")]
    pub floor: Option<PathBuf>,
    /// The clip the events are of, for pictures; with --replay that one.
    #[arg(long, value_name = "FILE")]
    pub video: Option<PathBuf>,
    /// Write a picture of everything missed or made up, and an index.html, into this folder.
    #[arg(long, value_name = "DIR")]
    pub misses: Option<PathBuf>,
    /// One JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// `bench`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub of: Option<BenchOf>,
    #[command(flatten)]
    pub config: ConfigArg,
    /// The clip to work on.
    #[arg(long, value_name = "FILE", default_value = "fixtures/junction_day/main.mp4")]
    pub clip: PathBuf,
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What else can be measured.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BenchOf {
    /// How many of a rendered clip's road users the vehicle detector finds, by class and height.
    DetectorRecall(RecallArgs),
    /// How well and how fast plates are read, on pictures whose plates are known.
    Plates(BenchPlatesArgs),
    /// How fast the pages' server answers reviewers and dashboards over a long history.
    Pages(BenchPagesArgs),
    /// How many cameras two cores carry, by stage, beside one ffmpeg a camera and one model call a frame.
    Density(DensityArgs),
}

/// `bench pages`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchPagesArgs {
    /// Violations in the history, and as many passages.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub violations: u64,
    /// People who review, a case every 8 s.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub reviewers: u32,
    /// Dashboards, each loaded every 15 s.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub dashboards: u32,
    /// How long.
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = parse_seconds)]
    pub seconds: f64,
    /// Keep the history here and use it again; a temporary folder unless given.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `bench density`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DensityArgs {
    /// Cameras watched; few enough that the machine keeps up.
    #[arg(long, default_value_t = 4)]
    pub cameras: usize,
    /// Seconds that each side is measured for.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Decode every frame, without the gate.
    #[arg(long)]
    pub ungated: bool,
    /// One JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// `bench plates`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchPlatesArgs {
    /// A CSV file beside the pictures: `file,plate`, and `x0,y0,x1,y1` of the plate where known.
    #[arg(long, value_name = "CSV")]
    pub labels: PathBuf,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `bench detector-recall`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecallArgs {
    /// The rendered clip's truth.json.
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// The clip, main or sub.
    #[arg(long, value_name = "FILE")]
    pub video: PathBuf,
    /// Boxes below this score do not count, 0 to 1.
    #[arg(long, value_name = "S", default_value_t = 0.35)]
    pub score: f32,
    /// Every how many frames one is looked at.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// End after so many seconds with a summary; else at Ctrl-C.
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    pub duration: Option<f64>,
    /// Watch this camera instead of simulated ones; may be given more than once. An address with a password is
    /// better given in the environment, where other users of the machine do not see it.
    #[arg(long, value_name = "RTSP_URL", env = "CAMERA", value_delimiter = ' ', hide_env_values = true)]
    pub camera: Vec<String>,
    /// Stream this clip instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub clip: Option<PathBuf>,
    /// A camera file whose scene applies to the clip or camera.
    #[arg(long, value_name = "FILE")]
    pub scene: Option<PathBuf>,
    /// Simulated cameras: of each built-in scene at least so many (2), or of your clip (4).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub cameras: Option<u16>,
    /// Address of the pages.
    #[arg(long, default_value = "127.0.0.1:8420")]
    pub listen: std::net::SocketAddr,
    /// Where the demo keeps its data from one start to the next.
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    pub data: PathBuf,
    /// The checkout, for its fixtures, examples and simulator.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repository: PathBuf,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| (0.0..=1e9).contains(s));
    seconds.ok_or_else(|| "expected seconds, 0 or more".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
